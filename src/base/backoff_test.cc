#include "base/backoff.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using std::chrono::milliseconds;

// Prevents a server in trouble from being asked ever faster, in step by all who failed together, or never again.
TEST(Backoff, DoublesUpToItsLimitWithinHalf) {
  Backoff backoff(milliseconds(100), milliseconds(500));
  for (const milliseconds whole : {milliseconds(100), milliseconds(200), milliseconds(400), milliseconds(500), milliseconds(500)}) {
    const auto wait = backoff.next();
    EXPECT_LE(wait, whole);
    EXPECT_GE(wait, whole / 2);
  }
  std::chrono::microseconds first = Backoff(milliseconds(1000), milliseconds(1000)).next();
  bool differs = false;
  for (int i = 0; i < 20; ++i) differs |= Backoff(milliseconds(1000), milliseconds(1000)).next() != first;
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace sluice
