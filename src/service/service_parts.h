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
};

/// The ingestion ready to run: of sluice.yaml as it stands there (with its secrets), of the API with its secrets opened and hidden from
/// every output.
Result<Ingestion> ready_to_run(const ServiceParts& parts, Ingestion ingestion);

}  // namespace sluice
