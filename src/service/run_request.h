// What a waiting run shall do, as the queue keeps it. Pure.
#pragma once

#include <string>

#include "base/error.h"
#include "pipeline/engine.h"

namespace sluice {

/// {"files_from": [..], "retry_failed": true, "only_paths": [..], "approved": [..]}
std::string run_options_json(const RunOptions& options);
/// Trigger and run are left to the caller. Empty text: the defaults. kCorruption: none of ours.
Result<RunOptions> parse_run_options(const std::string& text);

}  // namespace sluice
