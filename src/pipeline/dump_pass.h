// The tables of a SQL dump as members, each a dump of its own (formats/sql_extract.h): its CREATE TABLE and its rows, cut out of the dump.
// Not thread-safe.
#pragma once

#include <memory>

#include "archives/member_pass.h"
#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// Lists the tables in a pass over all of `dump`, which must outlive the pass. What of a compressed dump lies behind what was read last is
/// reached by reading on, and before it by reading again; the last kReopenBytesMax are kept.
Result<std::unique_ptr<MemberPass>> open_sql_dump(Blob& dump, bool compressed, const SqlOptions& options, Context& context);

}  // namespace sluice
