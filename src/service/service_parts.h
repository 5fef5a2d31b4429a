// What the parts of the service share. Made once per process; everything must outlive the service.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "base/log.h"
#include "config/assembly.h"
#include "config/config.h"
#include "config/sealing.h"
#include "config/serve_options.h"
#include "service/local_roots.h"
#include "service/service_metrics.h"

namespace sluice {

struct ServiceParts {
  const Config& config;
  const ServeOptions& options;
  const SealingKey& key;
  const LocalRoots& roots;
  Redaction& redaction;
  Log& log;
  ServiceMetrics& metrics;
  Clock& clock;
  std::stop_token stop;  ///< the service ends: nobody waits for an answer any more
};

/// Of sluice.yaml, which does not name it any more (or it is another server's): it is shown and may be deleted, but never runs here.
bool is_undefined(const ServiceParts& parts, const Ingestion& ingestion);
Error undefined_error(const Ingestion& ingestion);

/// The ingestion ready to run: of sluice.yaml as it stands there (with its secrets), of the API with its secrets opened and hidden from
/// every output. kConflict: is_undefined().
Result<Ingestion> ready_to_run(const ServiceParts& parts, Ingestion ingestion);

}  // namespace sluice
