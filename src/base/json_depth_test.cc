#include "base/json_depth.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

// Prevents a stack that text from outside fills: one level too many is noticed, whatever brackets it is made of.
TEST(NestedTooDeep, CountsObjectsAndArrays) {
  EXPECT_FALSE(nested_too_deep("[{\"a\": [1]}, [[2]]]", 3));
  EXPECT_TRUE(nested_too_deep("[{\"a\": [[1]]}]", 3));
}

// Prevents good documents from being refused for brackets in their text, also behind an escaped quote.
TEST(NestedTooDeep, PassesOverStrings) {
  EXPECT_FALSE(nested_too_deep("[\"[[[{{{\", \"\\\"[[[\"]", 1));
  EXPECT_TRUE(nested_too_deep("[\"\\\\\", [1]]", 1)) << "the string ends behind an escaped backslash";
}

}  // namespace
}  // namespace sluice
