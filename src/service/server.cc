#include "service/server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "config/validate.h"
#include "service/api_service.h"
#include "service/http_front.h"
#include "service/run_workers.h"

namespace sluice {
namespace {

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1" || host == "localhost"; }

/// Nobody shall find out later that a port was open to everybody.
Result<void> check_auth(const ServeOptions& options, ServiceRecords& records, Log& log) {
  if (options.auth != Auth::kAuto) return {};
  TRY_ASSIGN(const auto tokens, records.tokens(""));
  if (!tokens.empty()) return {};
  if (!is_loopback(options.host)) {
    return invalid_input(
        fmt::format("--listen {}: other machines reach this address and there is no token yet: make one with "
                    "`sluice token create --tenant NAME`, or say --auth none",
                    options.host));
  }
  log.write(LogLevel::kWarning, "auth", {{"message", std::string("nobody is asked for a token until there is one")}});
  return {};
}

/// Connections, open files and requests to stores need more descriptors than the common limit of 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Ingestions of sluice.yaml become known, so that they are listed, triggered and scheduled like the others.
Result<void> register_file_ingestions(const Config& config, Registry& registry, Timestamp now) {
  for (Ingestion ingestion : config.ingestions) {
    TRY_ASSIGN(const auto known, registry.find_ingestion(ingestion.tenant, ingestion.name));
    settle_start_from(ingestion, known, now);
    TRY(registry.put_ingestion(ingestion));
  }
  return {};
}

}  // namespace

Result<void> serve(const Config& config, const ServeOptions& options, const OpenParts& open, Clock& clock, Redaction& redaction,
                   std::stop_token stop) {
  Log log(clock, redaction);
  raise_descriptor_limit();
  TRY_ASSIGN(auto assembly, open());  // before the key: it makes the home folder
  TRY_ASSIGN(const SealingKey key, SealingKey::load_or_make(options.key_file));
  TRY(check_auth(options, assembly->service_records(), log));
  TRY(register_file_ingestions(config, assembly->registry(), clock.now()));

  const LocalRoots roots(options.local_roots);
  ServiceMetrics metrics;
  const ServiceParts parts{config, options, key, roots, redaction, log, metrics, clock, stop};
  RunWorkers workers(parts, open);
  ApiService api(parts, *assembly, [&workers] { workers.wake(); });
  TRY_ASSIGN(
      auto front,
      HttpFront::listen(options.host, options.port, {}, [&api](const ServerRequest& request) { return api.answer(request); }, "/healthz"));
  TRY(workers.start());
  log.write(LogLevel::kInfo, "listening", {{"host", options.host}, {"port", int64_t{front->port()}}, {"key", key.id()}});
  fmt::print("Listening on http://{}:{}\n", options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]",
             front->port());
  std::fflush(stdout);

  front->serve(stop);
  log.write(LogLevel::kInfo, "stopping");
  workers.stop();
  log.write(LogLevel::kInfo, "stopped");
  return {};
}

}  // namespace sluice
