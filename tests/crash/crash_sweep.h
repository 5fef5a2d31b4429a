// The loop of every sweep: one case after the other, each a life with its faults, named by the operation that fails. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "crash_world.h"

namespace sluice {

/// Leads a life under faults, checks what must hold afterwards, and returns the operations that were counted.
using SweepCase = std::function<std::vector<FaultPlan::Operation>(const std::vector<Fault>& faults, const std::string& when)>;

/// run_case with this life.
SweepCase case_of(Life life, CatalogKind kind = CatalogKind::kSql);

class Sweep {
 public:
  /// Runs the case once without faults but those that happen `always`.
  explicit Sweep(SweepCase one, std::vector<Fault> always = {});
  ~Sweep();

  /// One case, unless it is thinned out or too many have failed.
  void run(std::vector<Fault> faults);
  /// Each operation from number `first` on fails once, wherever that is a case of its own.
  void run_each(FaultKind kind, int64_t first = 1);

  /// Those of the life without faults.
  const std::vector<FaultPlan::Operation>& operations() const { return operations_; }
  const FaultPlan::Operation& operation(int64_t at) const { return operations_[static_cast<size_t>(at - 1)]; }
  int64_t count() const { return std::ssize(operations_); }
  bool does(std::string_view operation) const;

 private:
  const SweepCase one_;
  const std::vector<Fault> always_;
  const std::vector<FaultPlan::Operation> operations_;
  const int64_t stride_;
  int64_t until_next_;
  int cases_ = 0, failed_cases_ = 0;
};

/// Names the instances of a suite with one fault kind each: "crash_before".
std::string name_of_kind(FaultKind kind);

}  // namespace sluice
