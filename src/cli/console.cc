#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/redaction.h"
#include "base/units.h"

namespace sluice {
namespace {

constexpr int64_t kBarEveryMicros = 100'000;
constexpr const char* kRed = "31";
constexpr const char* kGreen = "32";
constexpr const char* kYellow = "33";

std::string size_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit) bytes /= 1024;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

bool has_colors(std::FILE* file) { return isatty(fileno(file)) && std::getenv("NO_COLOR") == nullptr; }

std::string paint(bool colors, const char* color, const std::string& text) {
  return colors ? fmt::format("\033[{}m{}\033[0m", color, text) : text;
}

std::string duration_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

Console::Console(std::FILE* out, std::FILE* err, Verbosity verbosity, bool silent, Clock& clock)
    : out_(out),
      err_(err),
      verbosity_(verbosity),
      silent_(silent),
      bar_(!silent && verbosity != Verbosity::kQuiet && isatty(fileno(err))),
      color_out_(has_colors(out)),
      color_err_(has_colors(err)),
      clock_(clock),
      started_(clock.monotonic_micros()) {}

Console::~Console() { clear_bar(); }

void Console::not_ready(int64_t files) {
  std::lock_guard lock(mutex_);
  line(fmt::format("{} file(s) are not ready (min_age, marker), and passed over by this run", files));
}

void Console::discovered(int64_t found, int64_t unchanged, int64_t to_load, int64_t bytes, int64_t failed) {
  std::lock_guard lock(mutex_);
  files_total_ = to_load, bytes_total_ = bytes;
  line(fmt::format("Found {} total file(s) across all sources", found));
  line(fmt::format("Skipped {} already-processed file(s)", unchanged));
  if (to_load > 0) return;
  line(failed == 0
           ? "All files have been processed. No new data to ingest."
           : fmt::format("No new data to ingest. {} file(s) failed before; `sluice retry` loads them once they are repaired.", failed));
}

void Console::claimed(const ClaimedBatch& batch) {
  std::lock_guard lock(mutex_);
  files_of_batch_ = std::ssize(batch.files), files_staged_ = 0;
  line(fmt::format("Processing {} file(s)", batch.files.size()));
}

void Console::expanded(const ClaimedFile& archive, const std::string& format, const Expansion& expansion) {
  std::lock_guard lock(mutex_);
  files_total_ += expansion.to_load;
  std::string text =
      fmt::format("Opened {} ({}): {} member(s), {} to load", short_name(archive), format, expansion.members, expansion.to_load);
  if (expansion.skipped > 0) text += fmt::format(", {} skipped", expansion.skipped);
  line(text);
}

void Console::progress(int64_t bytes, int64_t rows) {
  std::lock_guard lock(mutex_);
  bytes_done_ += bytes, rows_ += rows;
  draw_bar(false);
}

/// A batch that is read again, for its table was changed, does not count twice.
void Console::file_staged() {
  std::lock_guard lock(mutex_);
  files_staged_ = std::min(files_staged_ + 1, files_of_batch_);
  draw_bar(false);
}

void Console::file_read(const FileResult& result) {
  std::lock_guard lock(mutex_);
  ++files_done_;
  files_staged_ = std::max<int64_t>(0, files_staged_ - 1);
  if (result.error && (result.outcome == FileOutcome::kFailed || result.outcome == FileOutcome::kRefused)) {
    if (!silent_) complain(kRed, "failed: " + result.error->message);
  } else if (verbosity_ == Verbosity::kVerbose) {
    line(fmt::format("{}: {} {} rows, {}", to_string(result.outcome), result.file.path, result.rows,
                     size_text(static_cast<double>(result.bytes_read))));
  }
  draw_bar(false);
}

void Console::recognised(const std::string& path, const std::string& format) {
  std::lock_guard lock(mutex_);
  line(fmt::format("{}: {}", path.substr(path.rfind('/') + 1), format));
}

void Console::publishing(const PreparedBatch& batch) {
  std::lock_guard lock(mutex_);
  line(fmt::format("Writing {} rows to {}", batch.rows, batch.target.table));
}

void Console::confirmed(const PreparedBatch&, const Published&, int64_t files) {
  std::lock_guard lock(mutex_);
  line(fmt::format("Marked {} file(s) as processed", files));
}

void Console::schema_changed(const std::string& text) {
  std::lock_guard lock(mutex_);
  line("Schema: " + text);
}

void Console::warning(const std::string& text) {
  std::lock_guard lock(mutex_);
  const std::string shown = without_secrets(text);
  if (silent_) {
    if (warned_.insert(shown).second) warnings_.push_back(shown);
  } else if (verbosity_ != Verbosity::kQuiet) {
    complain(kYellow, "warning: " + shown);
  }
}

void Console::error(const std::string& message) {
  std::lock_guard lock(mutex_);
  complain(kRed, "error: " + without_secrets(message));
}

void Console::summary(const RunReport& report, const std::string& table) {
  std::lock_guard lock(mutex_);
  clear_bar();
  const RunMetrics& m = report.run.metrics;
  const double seconds = static_cast<double>(clock_.monotonic_micros() - started_) / 1e6;
  if (m.files_processed > 0 || m.files_failed > 0 || m.files_skipped > 0) {
    std::string text = fmt::format("{} file(s), {} rows, {} into {} in {}", m.files_processed, m.records_written,
                                   size_text(static_cast<double>(m.bytes_processed)), table, duration_text(seconds));
    if (m.rows_rescued > 0) text += fmt::format("; {} row(s) with rescued values in _rescued_data", m.rows_rescued);
    if (m.rows_rejected > 0) text += fmt::format("; {} bad row(s) in quarantine", m.rows_rejected);
    if (m.files_skipped > 0) text += fmt::format("; {} file(s) skipped", m.files_skipped);
    line(paint(color_out_, kGreen, text));
  }
  if (m.files_failed > 0) {
    // A refused change leaves its file SUCCESS: the story is the file's own.
    const bool refused = std::ranges::count(report.failures, FileOutcome::kRefused, &FileResult::outcome) == m.files_failed;
    const char* which = refused ? "FILE" : "--status failed";
    complain(kRed, fmt::format("{} file(s) failed; `sluice files {} {}` shows why", m.files_failed, table, which));
  }
  const DisposedFiles& disposed = report.disposed;
  if (disposed.any()) {
    std::string text = fmt::format("Moved {} file(s), deleted {}", disposed.moved, disposed.deleted);
    if (disposed.tagged > 0) text += fmt::format(", tagged {}", disposed.tagged);
    line(text);
  }
  if (!report.run.error.empty()) error(report.run.error);
  if (disposed.error) error(disposed.error->message);
}

void Console::line(const std::string& text) {
  if (silent_ || verbosity_ == Verbosity::kQuiet) return;
  clear_bar();
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
}

void Console::draw_bar(bool force) {
  if (!bar_) return;
  const int64_t now = clock_.monotonic_micros();
  if (!force && now - drawn_at_ < kBarEveryMicros) return;
  drawn_at_ = now;
  const double seconds = std::max(0.001, static_cast<double>(now - started_) / 1e6);
  const double rate = static_cast<double>(bytes_done_) / seconds;
  const double share = bytes_total_ > 0 ? std::min(1.0, static_cast<double>(bytes_done_) / static_cast<double>(bytes_total_)) : 0;
  const double left = rate > 0 ? std::max(0.0, static_cast<double>(bytes_total_ - bytes_done_) / rate) : 0;
  constexpr int kCells = 24;
  const int full = static_cast<int>(share * kCells);
  fmt::print(err_, "\r\033[K[{}{}] {:3.0f}%  {}/{} files  {} rows  {}/s  ETA {}", std::string(static_cast<size_t>(full), '#'),
             std::string(static_cast<size_t>(kCells - full), '.'), share * 100, std::min(files_done_ + files_staged_, files_total_),
             files_total_, rows_, size_text(rate), duration_text(left));
  std::fflush(err_);
  bar_shown_ = true;
}

void Console::clear_bar() {
  if (!bar_shown_) return;
  fmt::print(err_, "\r\033[K");
  std::fflush(err_);
  bar_shown_ = false;
}

void Console::complain(const char* color, const std::string& text) {
  clear_bar();
  fmt::print(err_, "{}\n", paint(color_err_, color, text));
}

}  // namespace sluice
