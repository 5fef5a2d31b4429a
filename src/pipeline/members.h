// Members of containers as files: listed and recorded when their container is loaded, later read in one pass over it. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archives/member_pass.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "ledger/work_ledger.h"
#include "model/ingestion.h"
#include "pipeline/container.h"
#include "storage/object_store.h"

namespace sluice {

/// The members of one container that are wanted, as discovery would have seen them (without what is known of them).
struct FoundMembers {
  std::vector<Seen> seen;
  int64_t ignored = 0;      ///< not wanted by their names
  std::string format = {};  ///< of the container; empty: it is none (any more)
};

/// Goes through the container to its end; nothing of one that cannot be read to its end is a file. Errors are the container's own.
Result<FoundMembers> list_members(const Container& container, Blob& blob, const ClaimedFile& file, const Ingestion& ingestion,
                                  Context& context);

/// What opening a container came to.
struct Expansion {
  int64_t members = 0;  ///< wanted ones
  int64_t to_load = 0;  ///< of them new, or at another version
  int64_t skipped = 0;  ///< recorded with the reason why not
  bool busy = false;    ///< some are in a live batch at an older version: open the container again later
};

/// Records members as files of their own. After it, unless busy, every member's record is of this version of the container.
Result<Expansion> record_members(WorkLedger& ledger, Clock& clock, const Ingestion& ingestion, const RunId& run, const ClaimedFile& file,
                                 FoundMembers found, Context& context);

/// The same without a ledger: the files to load next.
std::vector<ClaimedFile> members_to_load(const ClaimedFile& file, const FoundMembers& found);

/// Of them what the ledger does not know at that version.
Result<std::vector<ClaimedFile>> new_members(WorkLedger& ledger, const Ingestion& ingestion, const ClaimedFile& file,
                                             const FoundMembers& found);

/// Why a container within a container stays closed, if it does: NestedArchive.
std::optional<Error> refuses_nesting(const Ingestion& ingestion, const ClaimedFile& file);

/// MembersBusy: what an expansion that found members busy comes to.
Error members_busy();

/// A container at the version that lies there now.
class OpenContainer {
 public:
  virtual ~OpenContainer() = default;
  virtual const Container& container() const = 0;
  virtual Blob& blob() = 0;
};

/// `path` as in ClaimedFile::archive. Errors have a type: Vanished where it is gone, ChangedWhileRead where it is no container any more.
Result<std::unique_ptr<OpenContainer>> open_container(StoreProvider& stores, const Source& source, const std::string& path,
                                                      Context& context);

/// Takes a member's bytes, or why there are none. An error that it returns ends the pass.
using VisitMember = std::function<Result<void>(const ClaimedFile& file, Result<MemberBytes> bytes)>;

/// Calls `visit` once for each of the members, in the container's order: one pass, which ends with the last that is wanted. Members that
/// are no longer there come last, as Vanished. An error is one of `visit`.
Result<void> visit_members(OpenContainer& opened, std::span<const ClaimedFile* const> wanted, const VisitMember& visit, Context& context);

}  // namespace sluice
