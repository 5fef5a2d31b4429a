// What a run says to people: plain lines that operators grep for, and a progress bar on a terminal. Calls come one at a time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "pipeline/engine.h"

namespace sluice {

enum class Verbosity { kQuiet, kNormal, kVerbose };

class Console final : public RunObserver {
 public:
  /// Lines go to `out`, warnings and the bar to `err`; the bar and colours only where it is a terminal. `silent` (--json): nothing is said
  /// while the run goes on; warnings are kept for the document.
  Console(std::FILE* out, std::FILE* err, Verbosity verbosity, bool silent, Clock& clock);
  ~Console() override;

  void not_ready(int64_t files) override;
  void discovered(int64_t found, int64_t unchanged, int64_t to_load, int64_t bytes, int64_t failed) override;
  void claimed(const ClaimedBatch& batch) override;
  void expanded(const ClaimedFile& archive, const std::string& format, const Expansion& expansion) override;
  void progress(int64_t bytes, int64_t rows) override;
  void file_staged() override;
  void file_read(const FileResult& result) override;
  bool wants_formats() const override { return verbosity_ == Verbosity::kVerbose; }
  void recognised(const std::string& path, const std::string& format) override;
  void publishing(const PreparedBatch& batch) override;
  void confirmed(const PreparedBatch& batch, const Published& published, int64_t files) override;
  void schema_changed(const std::string& text) override;
  void warning(const std::string& text) override;

  /// The closing summary of a run.
  void summary(const RunReport& report, const std::string& table);
  void error(const std::string& message);

  /// With `silent`: what warning() was told, each text once.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void line(const std::string& text);
  void draw_bar(bool force);
  void clear_bar();
  void complain(const char* color, const std::string& text);

  std::FILE* const out_;
  std::FILE* const err_;
  const Verbosity verbosity_;
  const bool silent_;
  const bool bar_;
  const bool color_out_, color_err_;
  Clock& clock_;
  std::recursive_mutex mutex_;  // progress comes from reader threads while lines come from the run's
  const int64_t started_;
  int64_t drawn_at_ = 0;
  bool bar_shown_ = false;
  std::vector<std::string> warnings_;
  std::unordered_set<std::string> warned_;  // what is in warnings_
  int64_t files_total_ = 0, files_done_ = 0, bytes_total_ = 0, bytes_done_ = 0, rows_ = 0;
  int64_t files_of_batch_ = 0, files_staged_ = 0;  // of the batch in hand: all, and those read to their end
};

}  // namespace sluice
