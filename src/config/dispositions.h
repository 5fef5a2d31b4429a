// What becomes of files after the load, as people write it, and the rules for it. Pure, except that relative paths start at the working
// folder.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// "keep", "delete", "tag" or "move:PATH"; `absolute` makes PATH an absolute URI.
Result<Disposition> read_disposition(std::string_view text, const std::function<Result<std::string>(const std::string&)>& absolute);

/// kInvalidInput: a target folder whose files a source would list again, or on another kind of store than the source; tags where files
/// have none; and anything without tracking.
Result<void> check_dispositions(const Ingestion& ingestion);

}  // namespace sluice
