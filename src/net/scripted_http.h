// HttpClient for tests: a function answers each request, on the caller's thread. Thread-safe as far as the function is.
#pragma once

#include <functional>
#include <utility>

#include "net/http.h"

namespace sluice {

class ScriptedHttp final : public HttpClient {
 public:
  using Answer = std::function<Result<HttpResponse>(const HttpRequest&)>;
  explicit ScriptedHttp(Answer answer) : answer_(std::move(answer)) {}

  void send(HttpRequest request, Context, HttpDone done) override { done(answer_(request)); }

 private:
  const Answer answer_;
};

}  // namespace sluice
