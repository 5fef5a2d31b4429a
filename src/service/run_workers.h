// The threads that execute waiting runs, at most `runs_max` at once, the one that fires schedules, and the one that looks after the rest:
// runs and batches of dead processes, old answers. Each works on an assembly of its own.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "service/service_parts.h"

namespace sluice {

class RunWorkers {
 public:
  RunWorkers(const ServiceParts& parts, OpenParts open) : parts_(parts), open_(std::move(open)) {}
  ~RunWorkers();

  /// Opens everything and begins. Errors: the ledger cannot be opened.
  Result<void> start();
  /// There may be something to take now.
  void wake();
  /// Asks every run to stop and waits for it: the batch in hand is finished or dropped, the run is CANCELLED.
  void stop();

 private:
  struct Unclosed {
    RunId run;
    std::string error;
  };

  void work(Assembly& assembly, std::stop_token stop);
  void execute(Assembly& assembly, const TakenRun& taken, std::vector<Unclosed>& unclosed, std::stop_token stop);
  Result<RunRecord> run(Assembly& assembly, const TakenRun& taken, std::stop_token stop);
  void fire_schedules(Assembly& assembly, std::stop_token stop);
  void look_after(Assembly& assembly, std::stop_token stop);
  void recover(Assembly& assembly, std::stop_token stop);
  uint64_t wakes();
  /// Waits until somebody woke us since `seen`, or a moment: other processes leave runs in the ledger too. False: stopping.
  bool pause(uint64_t seen, std::stop_token stop);

  const ServiceParts& parts_;
  const OpenParts open_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  uint64_t wakes_ = 0;  // protected by mutex_
  std::vector<std::unique_ptr<Assembly>> assemblies_;
  std::vector<std::jthread> threads_;  // last: they use all above
};

}  // namespace sluice
