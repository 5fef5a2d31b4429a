// Discover: what a source lists against what the ledger knows, in one pass over both, in bounded memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "ledger/work_ledger.h"
#include "model/ingestion.h"
#include "storage/file_feed.h"
#include "storage/object_store.h"

namespace sluice {

struct Discovered {
  int64_t found = 0;      ///< files listed
  int64_t unchanged = 0;  ///< of them known at that version
  int64_t added = 0, changed = 0, ignored = 0, skipped = 0;
  int64_t not_ready = 0;  ///< not listed among `found`: younger than min_age, or without their marker
  int64_t bytes = 0;      ///< of new and changed files
  std::vector<std::string> warnings;

  Discovered& operator+=(const Discovered& other);
};

/// Makes the feed of a source anew: a listing that turns out unordered is read a second time.
using MakeFeed = std::function<Result<std::unique_ptr<FileFeed>>(Context&)>;
/// Receives new and changed files in chunks.
using TakeSeen = std::function<Result<void>(std::vector<Seen>)>;

/// Receives known files that the feed did not show: members of archives, which no listing shows, are among them, and where a listing turned
/// out unordered also files that it shows later. Each as often as the feed was made anew.
using TakeUnseen = std::function<Result<void>(const KnownFile&)>;

/// Compares a feed with the known files. In byte order: a merge. Out of order (some stores list so): known files are hashed instead.
/// Files before `start_from` that nobody knows yet are passed on with the skip reason Baseline; names that cannot be kept, with BadName.
Result<Discovered> compare(const MakeFeed& make_feed, WorkLedger& ledger, const Ingestion& ingestion, const SourceId& source,
                           const TakeSeen& take, Context& context, const TakeUnseen& take_unseen = nullptr);

/// compare(), with what it finds recorded in the ledger.
Result<Discovered> discover(const MakeFeed& make_feed, WorkLedger& ledger, Clock& clock, const Ingestion& ingestion, const SourceId& source,
                            const RunId& run, Context& context);

}  // namespace sluice
