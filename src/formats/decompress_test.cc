#include "formats/decompress.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <bzlib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

using testing::AllOf;
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

std::string bzip2(std::string_view text) {
  auto size = static_cast<unsigned>(text.size() + text.size() / 100 + 600);
  std::string out(size, '\0');
  BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()), static_cast<unsigned>(text.size()), 9, 0, 0);
  out.resize(size);
  return out;
}

std::string xz(std::string_view text, uint32_t dictionary_bytes = 1 << 20) {
  lzma_options_lzma options;
  lzma_lzma_preset(&options, 6);
  options.dict_size = dictionary_bytes;
  lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  size_t size = 0;
  const lzma_ret encoded = lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(text.data()),
                                                     text.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size());
  EXPECT_EQ(encoded, LZMA_OK);
  out.resize(size);
  return out;
}

std::string lz4(std::string_view text) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  std::string out(LZ4F_compressFrameBound(text.size(), &preferences), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), &preferences));
  return out;
}

std::vector<std::string> packed(std::string_view text) { return {gzip(text), zstd(text), bzip2(text), xz(text), lz4(text)}; }

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
  std::vector<std::string> files = packed(text);
  for (const std::string& plain : {text, std::string("x"), std::string()}) files.push_back(plain);
  for (const std::string& stored : files) {
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
  EXPECT_EQ(inflate_all(bzip2("a\n") + bzip2("") + bzip2(big) + bzip2("c")).value(), "a\n" + big + "c");
  EXPECT_EQ(inflate_all(xz("a\n") + xz("") + std::string(8, '\0') + xz(big) + xz("c") + std::string(4, '\0')).value(), "a\n" + big + "c");
  EXPECT_EQ(inflate_all(lz4("a\n") + lz4("") + skippable + lz4(big) + lz4("c")).value(), "a\n" + big + "c");
}

// An empty file that was compressed is a file without rows, not a broken one.
TEST(OpenDecompressed, ReadsStreamsOfNothing) {
  for (const std::string& stored : packed("")) EXPECT_EQ(inflate_all(stored).value(), "");
}

// A cut download must never look like the end of the file: every cut of the stream is an error that says so.
TEST(OpenDecompressed, RefusesEveryTruncation) {
  const std::string text = noise(200);
  std::vector<std::string> files = packed(text);
  const std::vector<std::string> first = packed("a"), second = packed("b");
  for (size_t i = 0; i < first.size(); ++i) files.push_back(first[i] + second[i]);
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& whole = files[i];
    for (size_t cut = kMagicBytes; cut < whole.size(); ++cut) {
      if (i >= first.size() && cut == first[i - first.size()].size()) continue;  // the first stream alone is whole
      const auto text_read = inflate_all(whole.substr(0, cut));
      ASSERT_FALSE(text_read) << i << " " << cut;
      EXPECT_EQ(text_read.error().type, "ParseError");
      EXPECT_THAT(text_read.error().message, HasSubstr("truncated"));
      EXPECT_THAT(text_read.error().message, HasSubstr("after " + std::to_string(cut) + " bytes"));
    }
  }
}

// Bytes behind the stream are either a broken upload or another file: ignoring them would lose data.
TEST(OpenDecompressed, RefusesTrailingGarbage) {
  for (const std::string& whole : packed("text")) {
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
  std::string gz = gzip(noise(500)), zst = zstd(noise(500)), bz = bzip2(noise(500)), x = xz(noise(500)), lz = lz4(noise(500));
  gz[gz.size() - 6] ^= 1;
  zst[zst.size() - 2] ^= 1;
  bz[12] ^= 1;  // of the block's checksum
  x[x.size() / 2] ^= 1;
  lz[lz.size() - 2] ^= 1;
  for (const std::string& stored : {gz, zst, bz, x, lz}) {
    const auto text = inflate_all(stored);
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, AllOf(HasSubstr("broken"), HasSubstr("stored byte")));
  }
}

// A frame whose last block is empty and whose header names 247 bytes: rows that are missing without a word where little is asked for at
// once, for libzstd compares the two only where it decodes the frame in one go.
TEST(OpenDecompressed, RefusesAZstdFrameThatHasLessThanItNames) {
  const std::string stored("\x28\xb5\x2f\xfd\x20\xf7\x01\x00\x00", 9);
  for (const size_t chunk : {1, 6, 64 * 1024}) {
    const auto text = inflate_all(zstd("before") + stored, chunk);
    ASSERT_FALSE(text) << chunk;
    EXPECT_THAT(text.error().message, HasSubstr("broken zstd stream")) << chunk;
  }
}

// A frame may ask for a window of gigabytes: it is refused before the memory is taken.
TEST(OpenDecompressed, RefusesAHugeWindow) {
  const auto text = inflate_all(zstd("text", 30));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().type, "TooLarge");
  EXPECT_EQ(inflate_all(zstd("text", 27)).value(), "text");
}

// An xz header may ask for gigabytes too: what `xz -9` makes is read, the rest is refused and named.
TEST(OpenDecompressed, RefusesAHugeDictionary) {
  const auto text = inflate_all(xz("text", 1U << 30));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().type, "TooLarge");
  EXPECT_THAT(text.error().message, HasSubstr("dictionary"));
  EXPECT_EQ(inflate_all(xz("text", 1U << 26)).value(), "text");
}

// A few kilobytes that inflate for hours would block a reader: above a gigabyte the ratio has an end.
TEST(OpenDecompressed, RefusesABomb) {
  Context context;
  std::string bomb;
  const std::string zeros = zstd(std::string(64 * kMiB, '0'));
  for (int64_t size = 0; size <= kInflationFreeBytes; size += 64 * kMiB) bomb += zeros;
  auto blob = make_memory_blob(bomb + bomb);
  auto source = open_decompressed(*blob, {}, context).value();
  std::vector<char> buffer(4 * kMiB);
  int64_t inflated = 0;
  Result<size_t> count = 0;
  while ((count = source->read(buffer, context)) && *count > 0) inflated += static_cast<int64_t>(*count);
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().type, "TooLarge");
  EXPECT_THAT(count.error().message, HasSubstr("bomb"));
  EXPECT_GE(inflated, kInflationFreeBytes - 4 * kMiB);
}

// Inference reads the head of a large file: the cut that it makes itself is no truncation.
TEST(OpenDecompressed, EndsQuietlyWhereASampleEnds) {
  const std::string text = noise(400'000);
  for (const std::string& stored : packed(text)) {
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
  EXPECT_EQ(sniff(bzip2("a")), Compression::kBzip2);
  EXPECT_EQ(sniff(bzip2("")), Compression::kBzip2);
  EXPECT_EQ(sniff(xz("a")), Compression::kXz);
  EXPECT_EQ(sniff(lz4("a")), Compression::kLz4);
  EXPECT_EQ(sniff("id,name\n"), Compression::kNone);
  EXPECT_EQ(sniff("BZh9,name\n1,ann\n"), Compression::kNone);
  EXPECT_EQ(sniff(""), Compression::kNone);
  EXPECT_EQ(sniff("("), Compression::kNone);
}

}  // namespace
}  // namespace sluice
