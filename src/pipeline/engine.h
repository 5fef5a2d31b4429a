// The library behind every way in: runs an ingestion from discovery to confirm, recovers what others left, and carries out the
// operator's commands. Thread-safe as long as the parts are; one run uses a few threads of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "ledger/history.h"
#include "ledger/registry.h"
#include "ledger/work_ledger.h"
#include "model/ingestion.h"
#include "pipeline/members.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

/// Hears what a run does, for people and logs. Called from several threads, one call at a time.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void started(const RunRecord&) {}
  /// Discovery is over: `found` files listed in all sources, `done_before` of them with nothing left to do, `to_load` waiting; `bytes` is
  /// the size of what is new. Where nothing is to be loaded, `failed` files are known that are not tried again by themselves.
  virtual void discovered(int64_t /*found*/, int64_t /*done_before*/, int64_t /*to_load*/, int64_t /*bytes*/, int64_t /*failed*/) {}
  /// Files that match, and that this run passes over: younger than min_age, or without their marker. Also such that were loaded before.
  virtual void not_ready(int64_t /*files*/) {}
  /// A batch was claimed.
  virtual void claimed(const ClaimedBatch&) {}
  /// An archive was opened and its members recorded; `format` as in its record ("tar.gz").
  virtual void expanded(const ClaimedFile& /*archive*/, const std::string& /*format*/, const Expansion&) {}
  /// Bytes of input read since the last call (stored bytes) and rows parsed: for the progress bar.
  virtual void progress(int64_t /*bytes*/, int64_t /*rows*/) {}
  /// A file of the batch was read to its end, or as far as it could be: for the progress bar. Once more where the batch is read again.
  virtual void file_staged() {}
  /// What became of each file of a batch, once its rows are staged for good; its outcome counts when the batch is confirmed.
  virtual void file_read(const FileResult&) {}
  /// Whether to be told what each file was taken for, which costs a second look at its beginning.
  virtual bool wants_formats() const { return false; }
  /// What a file is read as, and why: "csv (content: 3 columns, delimiter ';')". Before file_read().
  virtual void recognised(const std::string& /*path*/, const std::string& /*format*/) {}
  virtual void publishing(const PreparedBatch&) {}
  /// The batch is COMMITTED; `files` are its files that were loaded.
  virtual void confirmed(const PreparedBatch&, const Published&, int64_t /*files*/) {}
  virtual void schema_changed(const std::string& /*text*/) {}
  virtual void warning(const std::string& /*text*/) {}
};

struct RunOptions {
  Trigger trigger = Trigger::kCli;
  std::optional<RunRecord> taken;  ///< the RUNNING run that a queue handed out, held by this engine's worker; nullopt: make one
  /// Load just these (URIs or paths), and members of those that are archives; of an empty list nothing. nullopt: list the sources.
  std::optional<std::vector<std::string>> files_from;
  bool on_change_is_a_guess = false;  ///< nobody said what a changed file means: it is said when there is one
  bool retry_failed = false;          ///< `sluice retry`: load only failed files (all, or `only_paths`), attempts counted anew
  std::vector<std::string> only_paths;
  /// `sluice approve`: load the files that wait for these changes of the table (WaitingFiles::changes), and make the changes. Schema mode
  /// approve only.
  std::vector<std::string> approved;
};

/// What became of source files after the load (Ingestion::disposition).
struct DisposedFiles {
  int64_t moved = 0, deleted = 0, tagged = 0;
  std::vector<std::string> warnings;  ///< files that are left as they are, with the reason: a later run tries again
  std::optional<Error> error;         ///< why no further file was looked at

  bool any() const { return moved + deleted + tagged > 0; }
};

/// What a run came to. `failed` files are in the ledger with their reasons.
struct RunReport {
  RunRecord run;
  int64_t files_found = 0;
  int64_t files_not_ready = 0;        ///< younger than min_age, or without their marker; not among those found
  std::vector<WaitingFiles> waiting;  ///< for approval, when the run ended
  std::vector<FileResult> failures;   ///< the first kReportedFailuresMax of the files that failed, were refused or skipped in this run
  DisposedFiles disposed;             ///< in this run, also of files that an earlier one loaded
  std::vector<std::string> warnings;  ///< those of `disposed`, too
};
inline constexpr size_t kReportedFailuresMax = 1000;

/// What a run would do (`--dry-run`): nothing is written anywhere.
struct DryRun {
  int64_t files_found = 0, files_unchanged = 0, files_new = 0, files_changed = 0, bytes = 0;
  int64_t files_waiting = 0;              ///< known, and not loaded yet: new when an earlier run saw them, or failed
  int64_t files_not_ready = 0;            ///< younger than min_age, or without their marker; not among those found
  int64_t files_skipped = 0;              ///< that the run would not read: before start_from, or changed where changes are ignored
  int64_t archives = 0, members = 0;      ///< archives that were looked into, and members to load of them
  std::vector<std::string> sample_paths;  ///< of files to load, members included, the first 20
  std::string format;                     ///< of the first file that could be opened
  std::vector<std::pair<std::string, std::string>> formats;  ///< of sample_paths but members: the path, what it would be read as, and why
  bool table_exists = false;
  Schema schema;  ///< the table as it would be; of Parquet objects, the columns of all files of the sample
  std::vector<std::string> schema_changes;
  std::vector<std::string> warnings;
};

/// Concrete parts, made in main and outliving the engine.
struct EngineParts {
  WorkLedger& work;
  Registry& registry;
  History& history;
  StoreProvider& stores;
  Clock& clock;
  WorkerId worker;
  int threads = 0;  ///< 0: one per core
  std::chrono::microseconds lease = std::chrono::seconds(60);
};

class Engine {
 public:
  explicit Engine(EngineParts parts) : parts_(parts) {}

  /// One run. The ingestion must carry its id (Registry::put_ingestion). An Error means that no run record could be made; a run
  /// that failed is a report with state FAILED and its error. Files are disposed of once the run is over and recorded, unless it was
  /// cancelled: what is left then is done by the next run.
  Result<RunReport> run(const Ingestion& ingestion, Sink& sink, const RunOptions& options, RunObserver& observer, Context context);

  Result<DryRun> dry_run(const Ingestion& ingestion, Sink& sink, const RunOptions& options, Context context);

  /// Finishes or withdraws every batch of the ingestion whose worker is gone, and sweeps (rule R).
  Result<void> recover(const Ingestion& ingestion, Sink& sink, RunObserver& observer, Context context);

  /// As if never seen; rows stay in the table and will be doubled unless undone. Live batches are finished or withdrawn first.
  /// kConflict: another worker is at work on one of them.
  Result<int64_t> forget(const Ingestion& ingestion, Sink& sink, const std::vector<std::string>& paths, bool all, RunObserver& observer,
                         Context context);

 private:
  EngineParts parts_;
};

}  // namespace sluice
