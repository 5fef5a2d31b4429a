// The ledger as workers use it: files, batches, leases. Typed operations with compare-and-set; no SQL in sight. Thread-safe.
// Every write is one transaction, durable when it returns. Any write may answer kOutcomeUnknown (ask again before acting),
// kUnavailable (busy or unreachable: nothing happened) or kConflict (the lease is no longer ours, or the state moved on).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "base/ids.h"
#include "model/batch.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "model/run.h"

namespace sluice {

/// A file over which this many workers died is given up: FAILED "WorkerDied".
inline constexpr int kWorkerDeathsMax = 3;
/// What is said of it, in the ledger and by the run that gives it up.
std::string worker_died_message();

/// How many files record_discovered is given at once, and one transaction records.
inline constexpr size_t kDiscoveredFilesMax = 10'000;

/// How long after its end a batch may still get objects from a worker that stalled while another one ended it.
inline constexpr std::chrono::hours kSweepAgainAfter{24};

/// A known file as the discovery merge sees it.
struct KnownFile {
  std::string path;
  std::string version;
  int64_t size_bytes = 0;
};

/// Cursor over the files of one source in byte order of their paths, from a covering index, in bounded memory.
/// Sees one consistent state, taken when it was opened. Must not outlive its ledger. Not thread-safe.
class KnownFiles {
 public:
  virtual ~KnownFiles() = default;
  virtual Result<std::optional<KnownFile>> next() = 0;
};

/// A new or changed file found by discovery. `known_version` is what the merge saw (nullopt: unknown file): compare-and-set.
struct Seen {
  ListedFile file;
  std::optional<std::string> known_version;
  std::string skip_reason;  ///< not empty: record as SKIPPED with this error_type ("Baseline", "BadName")
  std::string skip_message;
};

struct DiscoverRequest {
  IngestionId ingestion;
  SourceId source;
  RunId run;
  OnChange on_change = OnChange::kAppend;
  std::string archive = {};  ///< the files are members of this one; empty: they were listed
  bool replaces = false;     ///< rule S: a file's object is replaced, so that only the version loaded last is there
  /// What `archive` is read as. Its record says so with its first members, whatever becomes of who opened it: should it be no archive any
  /// more when it is looked at again, they are known to be there.
  std::string archive_format = {};
};

struct DiscoverResult {
  int64_t added = 0;      ///< new records, DISCOVERED
  int64_t changed = 0;    ///< known files at a new version, DISCOVERED again
  int64_t ignored = 0;    ///< changed, but on_change: ignore; or this (path, version) is loaded
  int64_t skipped = 0;    ///< recorded as SKIPPED
  int64_t lost_race = 0;  ///< another discovery was first
  int64_t elsewhere = 0;  ///< another source of the ingestion has the file, at this version
  int64_t elsewhere_bytes = 0;

  void add_elsewhere(const Seen& seen) {
    ++elsewhere;
    if (seen.skip_reason.empty()) elsewhere_bytes += seen.file.size_bytes;
  }
};

struct ClaimRequest {
  IngestionId ingestion;
  RunId run;
  WorkerId worker;
  BatchId batch;  ///< id of the batch to make; the same id again after kOutcomeUnknown returns the same claim
  BatchLimits limits;
  int attempts_max = 3;        ///< FAILED files with fewer attempts are claimed too, once per run
  std::string order = "name";  ///< name | time
  std::vector<int64_t> only;   ///< record ids; empty: any claimable file
  std::chrono::microseconds lease{};
};

struct TakenOver {
  ClaimedBatch batch;  ///< with the new lease (epoch + 1)
  BatchRecord record;  ///< as it was found
};

/// Rule S: a file of a batch and the object that it becomes.
struct KeyRequest {
  std::string key;  ///< URI of the object
  std::string file_path;
  std::string version;
};

/// Whose key it is.
struct KeyClaim {
  std::string owner;             ///< what has the key: "file:///in/a.csv of ingestion x"; empty: the file that asked
  bool again = false;            ///< an earlier batch claimed it: there may be its object, or an upload that it did not finish
  std::vector<BatchId> batches;  ///< ours last: those that claimed it one after the other for this version of the file
};
/// So many of them are remembered: an object of an earlier one is written again.
inline constexpr size_t kKeyClaimsMax = 32;

/// Work of an ingestion that is not finished, as one run sees it.
struct Outstanding {
  int64_t claimable = 0;        ///< DISCOVERED, or FAILED and due in this run
  int64_t members = 0;          ///< of them members of archives
  int64_t in_live_batches = 0;  ///< PROCESSING
  int64_t batches = 0;          ///< STAGING, PREPARED or WITHDRAWING
};

/// Rows of a file version that a table holds, found in the table itself.
struct AdoptedFile {
  std::string path, version;
  BatchId batch;
  std::optional<RowRange> range;  ///< nullopt: where they lie is not known
  std::string key_target;         ///< rule S: `range` is the file's own object below this prefix, and the key is claimed for it
};

/// How a listed file ended. An archive ends as its members did: failed with one of them, done with all; skipped ones decide nothing.
enum class FileEnd {
  kDone,    ///< its present version was loaded by a committed batch
  kFailed,  ///< as often as it is tried
};
std::string_view to_string(FileEnd end);  ///< "done", "failed"

struct EndedFile {
  std::string path;
  std::string version;  ///< that has ended
  FileEnd end = FileEnd::kDone;
  bool disposed = false;  ///< record_disposed() was told of this version and end
};

class WorkLedger {
 public:
  virtual ~WorkLedger() = default;

  virtual LedgerId ledger_id() const = 0;

  /// --- discovery
  virtual Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId& ingestion, const SourceId& source) = 0;
  /// The members of an archive (of nested ones in it, too), in the order of their paths.
  virtual Result<std::unique_ptr<KnownFiles>> known_members(const IngestionId& ingestion, const SourceId& source,
                                                            const std::string& archive) = 0;
  /// Records files; a (path, version) in the history of committed files is not made loadable again, unless it was `replaces`d since. A file
  /// in a live batch keeps its state and batch; the newer version is recorded once the batch is over (a later discovery finds it again).
  /// A path has one record in an ingestion: where another source has it at another version, that is a change, and the record moves here.
  /// A record made for a file that the history knows (after a rebuild) says what is loaded of it, and on_change is asked.
  virtual Result<DiscoverResult> record_discovered(const DiscoverRequest& request, std::span<const Seen> files) = 0;

  /// --- batches
  /// Makes a STAGING batch of claimable files: DISCOVERED and not NeedsApproval, or FAILED with attempts below attempts_max and not yet
  /// tried in this run.
  /// Counts the attempt. A file with worker_deaths > 0 is claimed alone. nullopt: nothing to claim.
  virtual Result<std::optional<ClaimedBatch>> claim(const ClaimRequest& request) = 0;
  /// A STAGING batch without file records (rule N).
  virtual Result<ClaimedBatch> open_untracked(const ClaimRequest& request) = 0;
  virtual Result<Lease> renew(const Lease& lease, std::chrono::microseconds duration) = 0;
  virtual Result<void> pin_target(const Lease& lease, const TargetPin& target) = 0;
  /// Rule S: a key belongs to one file of one ingestion, until that is forgotten with all its files, or deleted. In order of the requests.
  /// `target` is the prefix of the keys; kInvalidInput: the ingestion has keys below another one.
  virtual Result<std::vector<KeyClaim>> claim_keys(const Lease& lease, std::string_view target, std::span<const KeyRequest> requests) = 0;
  /// Notes which file a thread is reading, where a dead worker's successor finds it (the lock file). Not durable, never fails.
  virtual void note_in_hand(const Lease& lease, int slot, std::string_view path) = 0;
  /// STAGING -> PREPARED with a result for each of its files; returns the batch's seq. Results take effect at confirm. Asked again by the
  /// same lease, it returns the same seq and changes nothing.
  virtual Result<int64_t> prepare(const Lease& lease, const PreparedBatch& batch, std::span<const FileResult> results) = 0;
  /// (b): in a fresh transaction on the primary.
  virtual Result<Standing> standing(const Lease& lease) = 0;
  /// PREPARED -> COMMITTED, or WITHDRAWING -> COMMITTED (rule W: found present after the fence). Files become SUCCESS, FAILED, SKIPPED or
  /// DISCOVERED as their results say; history and attempts are written; the counts of the run that claimed the batch rise. A file SKIPPED
  /// "Vanished" keeps no version: back as it was, it is seen as changed; of a member, its archive keeps none either, so that it is opened
  /// again. An EXPANDED archive is SUCCESS without history: back at an earlier version, it is opened again. Confirming a COMMITTED batch
  /// again is no error, whoever asks.
  virtual Result<void> confirm(const Lease& lease, const Published& published) = 0;
  /// PREPARED -> WITHDRAWING.
  virtual Result<void> start_withdraw(const Lease& lease, std::string_view reason) = 0;
  /// STAGING | WITHDRAWING -> WITHDRAWN; its files DISCOVERED, or FAILED "WorkerDied" at kWorkerDeathsMax deaths. With `gently` the claim's
  /// attempt is not counted (shutdown, lost race). Done before by the same lease: no error.
  virtual Result<void> finish_withdraw(const Lease& lease, std::string_view reason, bool gently) = 0;

  /// --- recovery
  /// The oldest live batch of the ingestion whose holder is dead (lock free) or whose lease ran out: its lease is ours, epoch + 1.
  /// Files that the dead worker had in hand get worker_deaths + 1. nullopt: none.
  virtual Result<std::optional<TakenOver>> take_over(const IngestionId& ingestion, const WorkerId& worker,
                                                     std::chrono::microseconds lease) = 0;
  /// A stalled worker may still complete an upload: WITHDRAWN batches with a target that were not swept yet, or less than kSweepAgainAfter
  /// after their end; COMMITTED ones that were taken over, once, from kSweepAgainAfter on (the taker settled what was there before).
  virtual Result<std::vector<BatchRecord>> batches_to_sweep(const IngestionId& ingestion) = 0;
  virtual Result<void> mark_swept(const BatchId& batch) = 0;

  /// --- rule M
  virtual Result<std::optional<BatchRecord>> find_batch(const BatchId& batch) = 0;
  /// The committed, tracked, not disowned batch with the highest seq that published a snapshot into this table uuid
  /// (empty: into any table).
  virtual Result<std::optional<BatchRecord>> last_committed(const IngestionId& ingestion, std::string_view table_uuid) = 0;
  /// Where the newest committed, tracked, not disowned batch went of which rows lie somewhere. nullopt: there is none.
  virtual Result<std::optional<TargetPin>> last_target(const IngestionId& ingestion) = 0;
  virtual Result<int64_t> highest_seq(const IngestionId& ingestion) = 0;
  /// STAGING, PREPARED and WITHDRAWING batches, oldest first.
  virtual Result<std::vector<BatchRecord>> live_batches(const IngestionId& ingestion) = 0;

  virtual Result<Outstanding> outstanding(const IngestionId& ingestion, const RunId& run, int attempts_max) = 0;

  /// --- after the load
  /// Those of the source's files that have ended; the others are pending, skipped, or not loaded at their present version.
  virtual Result<std::vector<EndedFile>> ended_files(const IngestionId& ingestion, const SourceId& source, int attempts_max,
                                                     std::span<const std::string> paths) = 0;
  /// Remembers that the files, which stay where they are, were disposed of. One that is at another version by now is left out.
  virtual Result<void> record_disposed(const IngestionId& ingestion, const SourceId& source, std::span<const EndedFile> files) = 0;

  /// Keeps a checked copy of the ledger beside it, where it is a file and the last copy is old enough; true: made one now. kCorruption: the
  /// ledger is damaged. A database server has its own backups.
  virtual Result<bool> back_up_if_due() { return false; }

  /// --- operator (rule F): kConflict while a live batch holds one of the files
  /// FAILED files (all, or these paths) become DISCOVERED with attempts 0; returns how many.
  virtual Result<int64_t> retry(const IngestionId& ingestion, std::span<const std::string> paths) = 0;
  /// Files that wait for approval (NeedsApproval) may be claimed again: they are read anew, and wait again where nothing has changed.
  virtual Result<int64_t> release_waiting(const IngestionId& ingestion) = 0;
  /// Records and their history go as if never seen; returns how many. With an archive go its members; a member's archive is opened again.
  virtual Result<int64_t> forget(const IngestionId& ingestion, std::span<const std::string> paths) = 0;
  /// All files and, for rule M, all batches of the ingestion (disowned). `foreign` are batches that the table's mark names and we do
  /// not know: recorded as disowned, so that the mark is accepted from here on; seq continues above `seq_floor`.
  virtual Result<int64_t> forget_all(const IngestionId& ingestion, std::span<const BatchId> foreign, int64_t seq_floor) = 0;

  /// --- rebuild: the history as the table tells it. Each may be repeated.
  /// Batches that we do not know are recorded as COMMITTED and disowned, so that a mark that names them is accepted; one that an older
  /// state of this ledger has unfinished is over as well. Then the files' versions count as loaded. seq continues above `seq_floor`.
  /// kConflict: a living worker has one of the batches.
  virtual Result<void> adopt(const IngestionId& ingestion, std::span<const BatchId> batches, std::span<const AdoptedFile> files,
                             int64_t seq_floor) = 0;
  /// Rows of files that were found loaded by the history alone; returns how many files are SUCCESS.
  virtual Result<int64_t> count_adopted(const IngestionId& ingestion) = 0;
};

}  // namespace sluice
