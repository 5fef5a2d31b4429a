#include "formats/text_decoding.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;

std::string utf16(std::u16string_view text, bool big_endian = false) {
  std::string bytes;
  for (const char16_t unit : text) {
    const char low = static_cast<char>(unit & 0xff), high = static_cast<char>(unit >> 8);
    bytes += big_endian ? high : low;
    bytes += big_endian ? low : high;
  }
  return bytes;
}

struct Decoded {
  std::string text;
  std::optional<Error> error;
};

Decoded decode(const std::string& bytes, TextEncoding encoding, size_t read_bytes = 4096, bool is_sample = false) {
  Context context;
  const auto source = open_utf16(make_memory_blob(bytes)->open({}, context).value(), encoding, is_sample);
  Decoded decoded;
  std::string block(read_bytes, '\0');
  for (;;) {
    const auto count = source->read(block, context);
    if (!count) decoded.error = count.error();
    if (!count || *count == 0) return decoded;
    decoded.text.append(block, 0, *count);
  }
}

// Excel writes UTF-16 with a mark, Windows tools without: either read as something else is a file of one broken row.
TEST(GuessEncoding, ByMarkAndByContent) {
  EXPECT_EQ(guess_encoding(utf16(u"\uFEFFid;name\n")), TextEncoding::kUtf16le);
  EXPECT_EQ(guess_encoding(utf16(u"\uFEFFid;name\n", true)), TextEncoding::kUtf16be);
  EXPECT_EQ(guess_encoding(utf16(u"id;имя\n1;яблоко\n")), TextEncoding::kUtf16le);
  EXPECT_EQ(guess_encoding(utf16(u"id;имя\n1;яблоко\n", true)), TextEncoding::kUtf16be);
  EXPECT_EQ(guess_encoding("\xef\xbb\xbfid"), TextEncoding::kUtf8);
  EXPECT_EQ(guess_encoding("id,name\n1,ann\n"), TextEncoding::kAuto);
  EXPECT_EQ(guess_encoding(""), TextEncoding::kAuto);
  EXPECT_EQ(guess_encoding("caf\xc3\xa9"), TextEncoding::kUtf8);
  EXPECT_EQ(guess_encoding("caf\xe9,stra\xdf"
                           "e"),
            TextEncoding::kWindows1252);
}

// One broken byte in UTF-8 text must not turn every umlaut of the file into two wrong characters; nor a head that ends in half a character.
TEST(GuessEncoding, DoesNotTakeBrokenUtf8ForWindows1252) {
  EXPECT_EQ(guess_encoding("\xc3\xa4\xc3\xb6\xc3\xbc\xff"), TextEncoding::kUtf8);
  EXPECT_EQ(guess_encoding("abc\xc3"), TextEncoding::kAuto);
  EXPECT_EQ(guess_encoding("a\x81\x8d,b"), TextEncoding::kUtf8);  // windows-1252 has neither
  EXPECT_EQ(guess_encoding(std::string("a,b\0c\n", 6)), TextEncoding::kAuto);
}

// Every character of windows-1252 and Latin-1 must be the one that the standard says; a byte that is none must not pass.
TEST(AppendSingleByte, TurnsEveryByte) {
  std::string out;
  EXPECT_EQ(append_single_byte(TextEncoding::kWindows1252, "\x80\xe9\x9f", out), 3u);
  EXPECT_EQ(out, "€éŸ");
  out.clear();
  EXPECT_EQ(append_single_byte(TextEncoding::kLatin1, "\x80\xe9\xff", out), 3u);
  EXPECT_EQ(out, "\xc2\x80éÿ");
  out.clear();
  EXPECT_EQ(append_single_byte(TextEncoding::kWindows1252, "a\x81z\x8d", out), 1u);
  EXPECT_EQ(out, "a\xef\xbf\xbdz\xef\xbf\xbd");
}

// Characters must not be lost or torn where a block or a read ends; beyond 16 bits too.
TEST(Utf16Source, GivesTheSameTextForEveryReadSize) {
  std::u16string text = u"\uFEFFid;ä\r\n";
  std::string expected = "\xef\xbb\xbfid;ä\r\n";
  for (int i = 0; i < 20'000; ++i) {
    text += u"\U0001F642ß,";
    expected += "🙂ß,";
  }
  for (const bool big_endian : {false, true}) {
    const TextEncoding encoding = big_endian ? TextEncoding::kUtf16be : TextEncoding::kUtf16le;
    const std::string bytes = utf16(text, big_endian);
    for (const size_t read_bytes : {1, 7, 4096, 1 << 20}) {
      const Decoded decoded = decode(bytes, encoding, read_bytes);
      ASSERT_FALSE(decoded.error) << decoded.error->message;
      ASSERT_EQ(decoded.text, expected);
    }
    EXPECT_EQ(utf16_bytes(expected), std::ssize(bytes));
  }
}

// Half a character is an error that says where, not a question mark in the table; a sample may end anywhere.
TEST(Utf16Source, RefusesHalfCharacters) {
  const std::string good = utf16(u"a\nb");
  const Decoded odd = decode(good + "x", TextEncoding::kUtf16le);
  EXPECT_EQ(odd.error.value().message, "line 2: an odd byte at the end of UTF-16 text (byte 6)");
  EXPECT_EQ(odd.error->type, "ParseError");
  EXPECT_EQ(odd.error->line, 2);
  const Decoded low = decode(good + "\x10\xdc", TextEncoding::kUtf16le);
  EXPECT_EQ(low.error.value().message, "line 2: half a character (a lone surrogate) (byte 6)");
  const Decoded high = decode(utf16(u"a\n") + "\x3d\xd8" + utf16(u"b"), TextEncoding::kUtf16le);
  EXPECT_EQ(high.error.value().byte, 6);
  EXPECT_THAT(decode(good + "\x3d\xd8", TextEncoding::kUtf16le).error.value().message, HasSubstr("lacks its second half"));
  for (const std::string end : {"x", "\x3d\xd8", "\x3d\xd8x"}) {
    const Decoded sample = decode(good + end, TextEncoding::kUtf16le, 4096, true);
    EXPECT_FALSE(sample.error);
    EXPECT_EQ(sample.text, "a\nb");
  }
}

}  // namespace
}  // namespace sluice
