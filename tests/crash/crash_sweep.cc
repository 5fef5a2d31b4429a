#include "crash_sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice {
namespace {

constexpr int kFailedCasesMax = 5;  // then the sweep ends: the rest says the same again

int failed_parts() { return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count(); }

}  // namespace

SweepCase case_of(Life life, CatalogKind kind) {
  return [life = std::move(life), kind](const std::vector<Fault>& faults, const std::string& when) {
    return run_case(faults, when, life, 1, kind);
  };
}

Sweep::Sweep(SweepCase one, std::vector<Fault> always)
    : one_(std::move(one)),
      always_(std::move(always)),
      operations_(one_(always_, "without further faults")),
      stride_(sweep_stride()),
      until_next_(static_cast<int64_t>(std::random_device()() % static_cast<uint64_t>(stride_))) {}

Sweep::~Sweep() { testing::Test::RecordProperty("cases", cases_); }

void Sweep::run(std::vector<Fault> faults) {
  if (failed_cases_ >= kFailedCasesMax || until_next_-- > 0) return;
  until_next_ = stride_ - 1;
  const int before = failed_parts();
  const std::string when = name_of(faults, operations_);
  SCOPED_TRACE(when);
  faults.insert(faults.begin(), always_.begin(), always_.end());
  one_(faults, when);
  ++cases_;
  failed_cases_ += failed_parts() > before;
}

void Sweep::run_each(FaultKind kind, int64_t first) {
  for (int64_t at = first; at <= count(); ++at) {
    if (is_own_case(kind, operation(at))) run({{.at = at, .kind = kind}});
  }
}

bool Sweep::does(std::string_view operation) const {
  return std::ranges::find(operations_, operation, &FaultPlan::Operation::name) != operations_.end();
}

std::string name_of_kind(FaultKind kind) {
  std::string name(to_string(kind));
  std::ranges::replace(name, ' ', '_');
  return name;
}

}  // namespace sluice
