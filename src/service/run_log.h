// A run as lines of the log. Calls come one at a time; made per run.
#pragma once

#include "base/log.h"
#include "ledger/run_queue.h"
#include "pipeline/engine.h"

namespace sluice {

class RunLog final : public RunObserver {
 public:
  RunLog(Log& log, const TakenRun& taken) : log_(log), run_(taken.run.id.text), ingestion_(taken.ingestion.id.text) {}

  void discovered(int64_t found, int64_t done_before, int64_t to_load, int64_t bytes, int64_t failed) override;
  void claimed(const ClaimedBatch& batch) override;
  void file_read(const FileResult& result) override;
  void publishing(const PreparedBatch& batch) override;
  void confirmed(const PreparedBatch& batch, const Published& published, int64_t files) override;
  void schema_changed(const std::string& text) override;
  void warning(const std::string& text) override;
  /// After the run; says nothing where nothing was done.
  void disposed(const DisposedFiles& files);

 private:
  Log& log_;
  const std::string run_, ingestion_;
};

}  // namespace sluice
