#include "ledger/ledger_walk.h"

namespace sluice {
namespace {

// Prevents: any order of steps, deaths and wake-ups that loads a version twice, loses a file or moves it as nobody decided.
TEST_P(LedgerWalk, KeepsTheRules) {
  for (const unsigned seed : {1u, 2u, 3u, static_cast<unsigned>(std::random_device()())}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    begin(seed);
    for (int i = 0; (i < world_->walk_steps() || loaded_.empty()) && !HasFatalFailure(); ++i) {
      step();
      check();
    }
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_FALSE(loaded_.empty());
  }
}

}  // namespace
}  // namespace sluice
