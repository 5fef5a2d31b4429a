// The service as a whole: HTTP, workers, schedules, from start to graceful stop.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "base/error.h"
#include "config/config.h"
#include "config/serve_options.h"
#include "service/service_parts.h"

namespace sluice {

/// Serves until `stop` is requested. `redaction` learns the secrets of sources as they are opened. kInvalidInput: the address, the key or
/// the way of asking for tokens will not do.
Result<void> serve(const Config& config, const ServeOptions& options, const OpenParts& open, Clock& clock, Redaction& redaction,
                   std::stop_token stop);

}  // namespace sluice
