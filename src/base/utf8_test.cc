#include "base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

// A message that ends in half a character is no UTF-8: the run's JSON report could not be read. Nor may it grow with the value.
TEST(ShownText, CutsBetweenCharacters) {
  EXPECT_EQ(shown_text("short"), "short");
  const std::string exact(kShownBytesMax, 'x');
  EXPECT_EQ(shown_text(exact), exact);
  EXPECT_EQ(shown_text(exact + "y"), exact + "...");
  for (size_t before = kShownBytesMax - 4; before <= kShownBytesMax; ++before) {
    const std::string shown = shown_text(std::string(before, 'x') + "\xF0\x9F\x98\x80" + std::string(9, 'y'));
    EXPECT_TRUE(is_utf8(shown)) << before;
    EXPECT_TRUE(shown.ends_with("...")) << before;
    EXPECT_EQ(shown.contains("\xF0\x9F\x98\x80"), before + 4 <= kShownBytesMax) << before;
  }
}

// Latin-1 in a dump's expression: its bytes must not get into a message.
TEST(ShownText, HidesWhatIsNoUtf8) {
  EXPECT_EQ(shown_text("caf\xE9"), "(no UTF-8)");
  EXPECT_EQ(shown_text(std::string(100, '\x80')), "(no UTF-8)");
}

}  // namespace
}  // namespace sluice
