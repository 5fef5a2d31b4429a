#include "formats/decompress.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

namespace sluice {
namespace {

using testing::HasSubstr;

std::string gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text, int window_log = 0) {
  ZSTD_CCtx* const encoder = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(encoder, ZSTD_c_checksumFlag, 1);
  if (window_log > 0) {
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_enableLongDistanceMatching, 1);
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_contentSizeFlag, 0);
  }
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  ZSTD_inBuffer from{text.data(), text.size(), 0};
  // Flushing first keeps the encoder from shrinking the window to the input.
  ZSTD_compressStream2(encoder, &to, &from, ZSTD_e_flush);
  ZSTD_compressStream2(encoder, &to, &from, ZSTD_e_end);
  ZSTD_freeCCtx(encoder);
  out.resize(to.pos);
  return out;
}

std::string noise(size_t size) {
  std::mt19937 random(7);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>("abcdefgh01234567"[random() % 16]);
  return text;
}

Result<std::string> inflate_all(std::string stored, size_t chunk = 64 * 1024, ByteRange range = {}) {
  Context context;
  auto blob = make_memory_blob(std::move(stored));
  TRY_ASSIGN(auto source, open_decompressed(*blob, range, context));
  std::string text;
  std::vector<char> buffer(chunk);
  for (;;) {
    TRY_ASSIGN(const size_t count, source->read(buffer, context));
    text.append(buffer.data(), count);
    if (count < buffer.size()) return text;
  }
}

// Reading a stream in portions of any size must give the same bytes; a portion border inside a header or trailer once lost bytes.
TEST(OpenDecompressed, GivesTheSameBytesForEveryPortion) {
  const std::string text = noise(3000);
  for (const std::string& stored : {text, gzip(text), zstd(text), std::string("x"), std::string()}) {
    const std::string expected = stored == "x" || stored.empty() ? stored : text;
    for (size_t chunk : {1, 2, 3, 7, 64, 2999, 3000, 3001, 9000}) EXPECT_EQ(inflate_all(stored, chunk).value(), expected) << chunk;
  }
}

// `cat a.gz b.gz` and pzstd write several members or frames: stopping after the first loses rows silently.
TEST(OpenDecompressed, ReadsAllMembersAndFrames) {
  const std::string big = noise(700'000);
  const std::string skippable("\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
  EXPECT_EQ(inflate_all(gzip("a\n") + gzip("") + gzip(big) + gzip("c")).value(), "a\n" + big + "c");
  EXPECT_EQ(inflate_all(zstd("a\n") + zstd("") + skippable + zstd(big) + zstd("c")).value(), "a\n" + big + "c");
  EXPECT_EQ(inflate_all(skippable + zstd("a")).value(), "a");
}

// A cut download must never look like the end of the file: every cut of the stream is an error that says so.
TEST(OpenDecompressed, RefusesEveryTruncation) {
  const std::string text = noise(200);
  for (const std::string& whole : {gzip(text), zstd(text), gzip("a") + gzip("b")}) {
    const bool two_members = whole.size() < 100;
    const size_t border = gzip("a").size();
    for (size_t cut = 4; cut < whole.size(); ++cut) {
      if (two_members && cut == border) continue;  // the first member alone is a whole stream
      const auto text_read = inflate_all(whole.substr(0, cut));
      ASSERT_FALSE(text_read) << cut;
      EXPECT_EQ(text_read.error().type, "ParseError");
      EXPECT_THAT(text_read.error().message, HasSubstr("truncated"));
      EXPECT_THAT(text_read.error().message, HasSubstr("after " + std::to_string(cut) + " bytes"));
    }
  }
}

// Bytes behind the stream are either a broken upload or another file: ignoring them would lose data.
TEST(OpenDecompressed, RefusesTrailingGarbage) {
  for (const std::string& whole : {gzip("text"), zstd("text")}) {
    const auto text = inflate_all(whole + "garbage that is no stream");
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, HasSubstr("trailing garbage"));
    EXPECT_THAT(text.error().message, HasSubstr(std::to_string(whole.size())));
    EXPECT_FALSE(inflate_all(whole + "x"));
    EXPECT_FALSE(inflate_all(whole + std::string(1, '\0')));
  }
}

// A flipped bit must not become a row: the checksums are verified.
TEST(OpenDecompressed, RefusesWrongChecksums) {
  std::string gz = gzip(noise(500)), zst = zstd(noise(500));
  gz[gz.size() - 6] ^= 1;
  zst[zst.size() - 2] ^= 1;
  for (const std::string& stored : {gz, zst}) {
    const auto text = inflate_all(stored);
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, HasSubstr("broken"));
  }
}

// A frame may ask for a window of gigabytes: it is refused before the memory is taken.
TEST(OpenDecompressed, RefusesAHugeWindow) {
  const auto text = inflate_all(zstd("text", 30));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().type, "TooLarge");
  EXPECT_EQ(inflate_all(zstd("text", 27)).value(), "text");
}

// Inference reads the head of a large file: the cut that it makes itself is no truncation.
TEST(OpenDecompressed, EndsQuietlyWhereASampleEnds) {
  const std::string text = noise(400'000);
  for (const std::string& stored : {text, gzip(text), zstd(text)}) {
    const auto head = inflate_all(stored, 4096, {.offset = 0, .length = static_cast<int64_t>(stored.size() / 2)});
    ASSERT_TRUE(head) << head.error().message;
    EXPECT_TRUE(text.starts_with(*head));
  }
  EXPECT_EQ(inflate_all("0123456789", 4, {.offset = 3, .length = 4}).value(), "3456");
}

// Detection and splitting rest on it; a short or empty file must not be an error.
TEST(SniffCompression, LooksAtTheFirstBytesOnly) {
  Context context;
  const auto sniff = [&](std::string bytes) { return sniff_compression(*make_memory_blob(std::move(bytes)), context).value(); };
  EXPECT_EQ(sniff(gzip("a")), Compression::kGzip);
  EXPECT_EQ(sniff(zstd("a")), Compression::kZstd);
  EXPECT_EQ(sniff("id,name\n"), Compression::kNone);
  EXPECT_EQ(sniff(""), Compression::kNone);
  EXPECT_EQ(sniff("("), Compression::kNone);
}

}  // namespace
}  // namespace sluice
