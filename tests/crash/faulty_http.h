// HttpClient whose every request asks a FaultPlan first ("http.GET", "http.POST"). A POST without an answer may be carried out later,
// before another request of whoever uses the same LateRequests. Plan and requests must outlive it. Thread-safe as the wrapped client is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fault_plan.h"
#include "late_requests.h"
#include "net/http.h"

namespace sluice {

class FaultyHttp final : public HttpClient {
 public:
  FaultyHttp(std::unique_ptr<HttpClient> client, FaultPlan& plan, LateRequests& late)
      : client_(std::move(client)), plan_(plan), late_(late) {}

  void send(HttpRequest request, Context context, HttpDone done) override {
    late_.land_due();
    const std::string operation = "http." + request.method;
    const Effect effect = request.method == "GET" ? Effect::kRead : Effect::kWrite;
    const std::optional<Fault> fault = plan_.next(operation, effect);
    if (!fault) return client_->send(std::move(request), std::move(context), std::move(done));
    if (FaultPlan::happens(fault->kind)) client_->send(request, context, [](const Result<HttpResponse>&) {});
    if (fault->kind == FaultKind::kUnknownLate && effect == Effect::kWrite) {
      late_.add(fault->late_by, [client = client_, request] {
        bool accepted = false;
        client->send(request, {}, [&](const Result<HttpResponse>& answer) { accepted = answer && answer->status == 200; });
        return accepted;
      });
    }
    done(std::unexpected(FaultPlan::error_of(operation, fault->kind, effect)));
  }

 private:
  const std::shared_ptr<HttpClient> client_;  // shared: a late request outlives the process that sent it
  FaultPlan& plan_;
  LateRequests& late_;
};

}  // namespace sluice
