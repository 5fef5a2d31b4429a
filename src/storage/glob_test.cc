#include "storage/glob.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace sluice {
namespace {

bool matches(std::string_view pattern, std::string_view text) { return Glob::parse(pattern).value().matches(text); }

// Each line is a way in which a file was once loaded that nobody asked for, or left out.
TEST(Glob, StarsStayInOneFolderAndDoubleStarsDoNot) {
  EXPECT_TRUE(matches("/d/*.json", "/d/a.json"));
  EXPECT_TRUE(matches("/d/*.json", "/d/.json"));
  EXPECT_FALSE(matches("/d/*.json", "/d/x/a.json"));
  EXPECT_FALSE(matches("/d/*.json", "/d/a.json.tmp"));
  EXPECT_TRUE(matches("/d/**/*.json", "/d/a.json"));
  EXPECT_TRUE(matches("/d/**/*.json", "/d/a.b/c.json"));
  EXPECT_TRUE(matches("/d/**/*.json", "/d/x/y/z/c.json"));
  EXPECT_FALSE(matches("/d/**/*.json", "/dx/c.json"));
  EXPECT_TRUE(matches("/d/**", "/d/x/y"));
  EXPECT_TRUE(matches("/d/**.csv", "/d/x/y.csv"));
  EXPECT_TRUE(matches("/d/**/m/**/x", "/d/m/m/1/x"));
  EXPECT_FALSE(matches("/d/**/m/x", "/d/m/y/x"));
  EXPECT_TRUE(matches("/d/*/p=*/f*", "/d/1/p=2/f"));
  EXPECT_FALSE(matches("/d/*/x", "/d//x/x"));
  EXPECT_TRUE(matches("/d/**/a*b*c", "/d/abc/ab/aXbXc"));
}

// Matching bytes would make "?" miss every letter outside ASCII, and sets match halves of one.
TEST(Glob, QuestionMarksAndSetsTakeOneCodePoint) {
  EXPECT_TRUE(matches("/d/?.json", "/d/\xC3\xA9.json"));
  EXPECT_TRUE(matches("/d/?.json", "/d/\xF0\x9F\x98\x80.json"));
  EXPECT_TRUE(matches("/d/?.json", "/d/\xFF.json"));
  EXPECT_FALSE(matches("/d/?.json", "/d/ab.json"));
  EXPECT_FALSE(matches("/d?x", "/d/x"));
  EXPECT_TRUE(matches("/d/[a-c]", "/d/b"));
  EXPECT_FALSE(matches("/d/[a-c]", "/d/d"));
  EXPECT_TRUE(matches("/d/[!a-c]", "/d/d"));
  EXPECT_FALSE(matches("/d[!a]x", "/d/x"));
  EXPECT_TRUE(matches("/d/[\xC3\xA0-\xC3\xBF]", "/d/\xC3\xA9"));
  EXPECT_TRUE(matches("/d/[]x]", "/d/]"));
  EXPECT_TRUE(matches("/d/[a-]", "/d/-"));
  EXPECT_TRUE(matches("/d/[*]", "/d/*"));
  EXPECT_FALSE(matches("/d/[*]", "/d/a"));
}

// Choices with a slash or with braces inside were cut at the wrong comma; a dozen braces must not eat the memory.
TEST(Glob, BracesListChoices) {
  EXPECT_TRUE(matches("/d/{a,b}.json", "/d/b.json"));
  EXPECT_FALSE(matches("/d/{a,b}.json", "/d/c.json"));
  EXPECT_TRUE(matches("/d/x{,.gz}", "/d/x"));
  EXPECT_TRUE(matches("/d/{2024/{01,02},2025}/*", "/d/2024/02/x"));
  EXPECT_TRUE(matches("/d/{2024/{01,02},2025}/*", "/d/2025/x"));
  EXPECT_FALSE(matches("/d/{2024/{01,02},2025}/*", "/d/2024/03/x"));
  EXPECT_FALSE(Glob::parse("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"));
}

// A file that is really called "a[1].json", or a folder called "{x}", must be reachable by its name.
TEST(Glob, APatternMatchesItsOwnTextAndWhatLiesBelow) {
  EXPECT_TRUE(matches("/d/a[1].json", "/d/a[1].json"));
  EXPECT_TRUE(matches("/d/a[1].json", "/d/a1.json"));
  EXPECT_TRUE(matches("/d/{x}/", "/d/{x}/y"));
  EXPECT_TRUE(matches("/d/{x", "/d/{x/y"));
  EXPECT_TRUE(matches("/d/[x", "/d/[x"));
  EXPECT_TRUE(matches("/d", "/d/a/b"));
  EXPECT_TRUE(matches("/d/", "/d/a/b"));
  EXPECT_TRUE(matches("/*/x/", "/d/x/a/b"));
  EXPECT_FALSE(matches("/d", "/dx"));
}

// Many stars against a long name took minutes in matchers that try everything.
TEST(Glob, StaysFastOnHostilePatterns) {
  std::string pattern = "/d/";
  for (int i = 0; i < 30; ++i) pattern += "**/*a*";
  EXPECT_FALSE(matches(pattern + "b", "/d/" + std::string(1900, 'a')));
}

// A listing from too far above costs a bucket's worth of requests; from too far below, files are missed.
TEST(Glob, KnowsWhereMatchesLie) {
  const Glob glob = Glob::parse("file:///d/2024-*/x/**/a.json").value();
  EXPECT_EQ(glob.fixed_text(), "file:///d/2024-");
  EXPECT_EQ(glob.fixed_folder(), "file:///d/");
  EXPECT_EQ(glob.below("file:///d/"), Below::kSome);
  EXPECT_EQ(glob.below("file:///d/2024-01/"), Below::kSome);
  EXPECT_EQ(glob.below("file:///d/2024-01/x/"), Below::kAnything);
  EXPECT_EQ(glob.below("file:///d/2024-01/y/"), Below::kNothing);
  EXPECT_EQ(glob.below("file:///d/2025/"), Below::kNothing);
  EXPECT_EQ(Glob::parse("/d/*.json").value().below("/d/x.json/"), Below::kNothing);
  EXPECT_EQ(Glob::parse("/d/a[1]").value().below("/d/a[1]/"), Below::kAnything);
  EXPECT_EQ(Glob::parse("/d/a[1]/x?").value().below("/d/a[1]/"), Below::kSome);
  EXPECT_TRUE(Glob::parse("/d/x").value().is_literal());
}

// Names that are no UTF-8 cannot be stored in the ledger; overlong forms and surrogates must not pass either.
TEST(Utf8, ToldFromOtherBytes) {
  EXPECT_TRUE(is_utf8("plain ascii of some length"));
  EXPECT_TRUE(is_utf8("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and more ascii"));
  for (const char* bad :
       {"\xFF", "ascii then \x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

// Two files of one name in different folders that would get one object, or one place in the folder for files that are done.
TEST(Glob, KnowsWhatLiesBelowItsFolder) {
  using Patterns = std::vector<std::string>;
  EXPECT_EQ(path_below(Patterns{"file:///in/**/*.csv"}, "file:///in/x/a.csv"), "x/a.csv");
  EXPECT_EQ(path_below(Patterns{"file:///in/x-*/*.csv"}, "file:///in/x-1/a.csv"), "x-1/a.csv");
  EXPECT_EQ(path_below(Patterns{"file:///in"}, "file:///in/x/a.csv"), "x/a.csv");
  EXPECT_EQ(path_below(Patterns{"file:///in/"}, "file:///in/x/a.csv"), "x/a.csv");
  EXPECT_EQ(path_below(Patterns{"file:///in"}, "file:///inside/x/a.csv"), "a.csv");
  EXPECT_EQ(path_below(Patterns{"file:///in/[x]"}, "file:///in/[x]/a.csv"), "a.csv");
  EXPECT_EQ(path_below(Patterns{"s3://b/*", "s3://b/deep/", "s3://b/de*"}, "s3://b/deep/x/a.csv"), "x/a.csv");
  EXPECT_EQ(path_below(Patterns{"s3://b/", "s3://b/x/a.csv"}, "s3://b/x/a.csv"), "a.csv");
  EXPECT_EQ(path_below({}, "s3://b/x/a.csv"), "a.csv");
}

}  // namespace
}  // namespace sluice
