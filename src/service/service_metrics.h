// What the service counts, as Prometheus reads it. Our own text: a dozen counters need no library with a web server of its own.
// Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "model/run.h"

namespace sluice {

class ServiceMetrics {
 public:
  void request_done(std::string_view operation, int status, double seconds);
  void run_started();
  void run_done(const RunRecord& run);

  /// Text format 0.0.4; `pending` is asked from the ledger.
  std::string text(int64_t pending) const;

 private:
  void add(const std::string& series, double value) { counters_[series] += value; }

  mutable std::mutex mutex_;
  std::map<std::string, double> counters_;  // protected by mutex_: `name{labels}`
  int64_t running_ = 0;                     // protected by mutex_
};

}  // namespace sluice
