#include "formats/text_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

// A check must not take a value whose middle matches, nor count bytes as characters.
TEST(TextPattern, MatchesTheWholeText) {
  TextPattern pattern = TextPattern::compile("a.c|abcd").value();
  EXPECT_TRUE(pattern.matches_whole("abc"));
  EXPECT_TRUE(pattern.matches_whole("aüc"));
  EXPECT_TRUE(pattern.matches_whole("abcd"));
  EXPECT_FALSE(pattern.matches_whole("xabc"));
  EXPECT_FALSE(pattern.matches_whole("abc\n"));
  EXPECT_FALSE(
      pattern.matches_whole("a\xFF"
                            "c"));
}

// A group that took no part is not an empty text, and a copy must work beside its original.
TEST(TextPattern, FindsTheFirstGroup) {
  TextPattern pattern = TextPattern::compile("day-(\\d+)?(x)").value();
  EXPECT_TRUE(pattern.has_group());
  TextPattern copy = pattern;
  EXPECT_EQ(pattern.find("in/day-12x")->first_group, "12");
  EXPECT_EQ(copy.find("in/day-x")->first_group, std::nullopt);
  EXPECT_FALSE(copy.find("in/day"));
  EXPECT_FALSE(TextPattern::compile("(?:a)").value().has_group());
}

// An expression that backtracks for ever must end, as one that does not match.
TEST(TextPattern, GivesUp) {
  TextPattern pattern = TextPattern::compile("(a+)+b").value();
  EXPECT_FALSE(pattern.matches_whole(std::string(5000, 'a')));
}

// The user must see where an expression is broken.
TEST(TextPattern, BrokenExpressionsSayWhere) {
  EXPECT_THAT(TextPattern::compile("a(b").error().message, HasSubstr("(at character 4)"));
  EXPECT_FALSE(TextPattern::compile(std::string(20'000, 'a')));
}

}  // namespace
}  // namespace sluice
