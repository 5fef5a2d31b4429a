#include "service/service_metrics.h"

#include <fmt/format.h>

namespace sluice {
namespace {

struct Described {
  std::string_view name, kind, help;
};
constexpr Described kDescribed[] = {
    {"sluice_http_request_seconds_sum", "counter", "Time spent answering requests"},
    {"sluice_http_requests_total", "counter", "Requests by operation and status"},
    {"sluice_run_bytes_total", "counter", "Bytes of input loaded, as stored"},
    {"sluice_run_files_failed_total", "counter", "Files that failed"},
    {"sluice_run_files_total", "counter", "Files loaded"},
    {"sluice_run_rows_total", "counter", "Rows written"},
    {"sluice_run_seconds_sum", "counter", "Time that runs took"},
    {"sluice_runs_total", "counter", "Runs that ended, by status"},
};

}  // namespace

void ServiceMetrics::request_done(std::string_view operation, int status, double seconds) {
  std::lock_guard lock(mutex_);
  add(fmt::format("sluice_http_requests_total{{operation=\"{}\",status=\"{}\"}}", operation, status), 1);
  add(fmt::format("sluice_http_request_seconds_sum{{operation=\"{}\"}}", operation), seconds);
}

void ServiceMetrics::run_started() {
  std::lock_guard lock(mutex_);
  ++running_;
}

void ServiceMetrics::run_done(const RunRecord& run) {
  std::lock_guard lock(mutex_);
  --running_;
  add(fmt::format("sluice_runs_total{{status=\"{}\"}}", to_string(run.state)), 1);
  add("sluice_run_files_total", static_cast<double>(run.metrics.files_processed));
  add("sluice_run_files_failed_total", static_cast<double>(run.metrics.files_failed));
  add("sluice_run_rows_total", static_cast<double>(run.metrics.records_written));
  add("sluice_run_bytes_total", static_cast<double>(run.metrics.bytes_processed));
  if (run.completed_at) add("sluice_run_seconds_sum", static_cast<double>((*run.completed_at - run.started_at).count()) / 1e6);
}

std::string ServiceMetrics::text(int64_t pending) const {
  std::lock_guard lock(mutex_);
  std::string text;
  for (const Described& described : kDescribed) {
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", described.name, described.help, described.name, described.kind);
    for (auto it = counters_.lower_bound(std::string(described.name)); it != counters_.end(); ++it) {
      if (!it->first.starts_with(described.name)) break;
      const std::string_view after = std::string_view(it->first).substr(described.name.size());
      if (after.empty() || after.front() == '{') text += fmt::format("{} {}\n", it->first, it->second);
    }
  }
  text +=
      fmt::format("# HELP sluice_runs_running Runs in this process\n# TYPE sluice_runs_running gauge\nsluice_runs_running {}\n", running_);
  text += fmt::format(
      "# HELP sluice_runs_pending Runs that wait, of the whole ledger\n# TYPE sluice_runs_pending gauge\nsluice_runs_pending {}\n",
      pending);
  return text;
}

}  // namespace sluice
