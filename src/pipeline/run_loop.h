// One run of one ingestion: the control function of the program. Made per run; not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "pipeline/batch_step.h"
#include "pipeline/discovery.h"
#include "pipeline/engine.h"
#include "pipeline/recovery.h"

namespace sluice {

class RunLoop {
 public:
  RunLoop(const EngineParts& parts, Sink& sink, const Ingestion& ingestion, const RunOptions& options, RunObserver& observer)
      : parts_(parts), sink_(sink), ingestion_(ingestion), options_(options), observer_(observer) {}

  /// Makes the run's record, executes it and closes the record. An Error: the ledger could not keep the record.
  Result<RunReport> run(Context context);

 private:
  Result<void> execute(Context& context);
  Result<void> discover_files(Context& context);
  Result<void> discover_failed(Context& context);
  Result<void> look_again(const std::map<SourceId, std::vector<std::string>>& paths, Context& context);
  Result<void> look_at_changed(const BatchEnd& end, Context& context);
  Result<void> let_members_go(Context& context);
  Result<void> let_waiting_go(Context& context);
  Result<bool> schema_moved_since(const std::vector<WaitingFiles>& waiting, Context& context);
  Result<void> report_waiting();
  Result<void> check_headers(Context& context);
  Result<void> load_tracked(Context& context);
  Result<void> load_untracked(Context& context);
  Result<void> load_untracked(const Source& source, FileFeed& feed, Context& context);
  void note_released(BatchEnd& end);
  Result<void> read_again(const Source& source, Context& context);
  Result<bool> load_next_batch(Context& context);
  Result<bool> wait_for_others(Context& context);
  Result<void> ingest(const ClaimedBatch& batch, Context& context);
  Result<std::vector<std::string>> mismatches_in(const FilePage& page, Context& context);
  using Wanted = std::function<bool(const FileRecord&)>;
  Result<std::vector<int64_t>> records_of(std::span<const std::string> names, const Wanted& wanted, Context& context);
  Wanted waits() const;
  Result<bool> find_late_named(Context& context);
  Result<void> find_named(Context& context);
  Result<void> pass_named(const ClaimedBatch& batch, const BatchEnd& end, Context& context);
  Result<std::string> listed_path(std::string path, std::string archive);
  Result<void> load_members_found(Context& context);
  Result<void> ingest_untracked(std::vector<ClaimedFile> files, Context& context);

  ClaimRequest claim_request() const;
  BatchStep batch_step() const {
    return {parts_, sink_, observer_, ingestion_, contract_, &releases_, approval_ ? &*approval_ : nullptr, rules_};
  }
  Recovery recovery() const;
  /// What is loaded and nothing else: what `retry` was given, or the explicit list.
  const std::vector<std::string>& names() const { return options_.files_from ? *options_.files_from : options_.only_paths; }
  bool names_files() const { return options_.files_from || !options_.only_paths.empty(); }
  void take_results(const BatchEnd& end);
  void warn(const std::string& text);
  void keep_backup();
  Result<RunReport> close(const Result<void>& executed);

  const EngineParts& parts_;
  Sink& sink_;
  const Ingestion& ingestion_;
  const RunOptions& options_;
  RunObserver& observer_;
  std::optional<Schema> contract_;
  std::shared_ptr<const ColumnRules> rules_;  ///< nullptr: no column is defined
  std::optional<Approval> approval_;          ///< schema mode approve
  RunReport report_;
  Releases releases_;
  int64_t files_claimed_ = 0;
  bool has_members_ = false;                ///< members of archives wait, or did
  std::vector<ClaimedFile> members_found_;  ///< untracked: to be loaded next
  std::vector<std::string> released_;       ///< untracked: files to be listed and read again
  std::vector<int64_t> named_;              ///< record ids: of names(), what this run may still claim
  bool looked_late_ = false;                ///< for what became free when nothing else was left
  int withdrawals_ = 0;                     ///< batches of this run given up in a row
  int64_t tried_ = 0, unreachable_ = 0, failed_ = 0;
  std::string first_failure_;
};

/// The feed of a source: its listing without the files of the sink's tables, or the explicit list of this run.
Result<std::unique_ptr<FileFeed>> open_feed(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion, const Source& source,
                                            const std::optional<std::vector<std::string>>& files_from);

}  // namespace sluice
