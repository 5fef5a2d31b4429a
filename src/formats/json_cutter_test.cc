#include "formats/json_cutter.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/format.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// "line@byte text" or "line@byte !fault text" of every row; an error as "error: ...".
std::vector<std::string> rows_of(Blob& blob, ByteRange range = {}, int64_t block_bytes = kJsonBlockBytes, bool sample = false) {
  Context context;
  auto cutter = RowCutter::open(blob, range, sample, block_bytes, context);
  if (!cutter) return {"error: " + cutter.error().message};
  std::vector<std::string> rows;
  for (RawRow row;;) {
    const auto more = cutter->next(row, context);
    if (!more) {
      rows.push_back("error: " + more.error().message);
      return rows;
    }
    if (!*more) return rows;
    rows.push_back(fmt::format("{}@{} {}{}", row.line, row.byte, row.fault.empty() ? "" : "!" + row.fault + " ", row.text));
  }
}

std::vector<std::string> rows_of(std::string_view text, ByteRange range = {}, int64_t block_bytes = kJsonBlockBytes, bool sample = false) {
  const auto blob = make_memory_blob(std::string(text));
  return rows_of(*blob, range, block_bytes, sample);
}

// Prevents: rows lost or moved by empty lines, CRLF, a BOM, white space, or a missing last line break.
TEST(JsonCutter, CutsLines) {
  EXPECT_THAT(rows_of(""), IsEmpty());
  EXPECT_THAT(rows_of("\n \r\n\t\n"), IsEmpty());
  EXPECT_THAT(rows_of("\xEF\xBB\xBF"), IsEmpty());
  EXPECT_THAT(rows_of("{\"a\":1}"), ElementsAre("1@0 {\"a\":1}"));
  EXPECT_THAT(rows_of("\xEF\xBB\xBF{\"a\":1}\r\n\r\n  {\"a\":2}\t\n{}"), ElementsAre("1@3 {\"a\":1}", "3@16 {\"a\":2}", "4@25 {}"));
}

// Prevents: a file that is not UTF-8 reported as a thousand bad rows.
TEST(JsonCutter, NamesUtf16) {
  EXPECT_THAT(rows_of(std::string_view("\xFF\xFE{\0", 4)), ElementsAre(HasSubstr("UTF-16")));
  EXPECT_THAT(rows_of(std::string_view("\xFE\xFF\0{", 4)), ElementsAre(HasSubstr("UTF-16")));
}

// Prevents: a broken or garbage first line turning a whole NDJSON file into one bad document.
TEST(JsonCutter, KeepsToLinesWhereTheFirstOneIsBroken) {
  EXPECT_THAT(rows_of("{\"a\":1\n{\"a\":2}\n"), ElementsAre("1@0 {\"a\":1", "2@7 {\"a\":2}"));
  EXPECT_THAT(rows_of("{\"a\":1,\n{\"a\":2}\n"), ElementsAre("1@0 {\"a\":1,", "2@8 {\"a\":2}"));
  EXPECT_THAT(rows_of("{\"a\":\"x\n{\"a\":2}\n"), ElementsAre("1@0 {\"a\":\"x", "2@8 {\"a\":2}"));
  EXPECT_THAT(rows_of("{\"a\":tru}\n{\n"), ElementsAre("1@0 {\"a\":tru}", "2@10 {"));
  EXPECT_THAT(rows_of("id,name\n{\n"), ElementsAre("1@0 id,name", "2@8 {"));
}

// Prevents: pretty-printed or glued documents read line by line.
TEST(JsonCutter, CutsDocumentsThatSpanLines) {
  EXPECT_THAT(rows_of("{\n\"a\": 1\n}\n{\n\"a\": \"}\\\"{\"\n}"), ElementsAre("1@0 {\n\"a\": 1\n}", "4@11 {\n\"a\": \"}\\\"{\"\n}"));
  EXPECT_THAT(rows_of("{\"a\":1}{\"a\":2} {\"a\":3}\n{\"a\":4}"),
              ElementsAre("1@0 {\"a\":1}", "1@7 {\"a\":2}", "1@15 {\"a\":3}", "2@23 {\"a\":4}"));
  // A fault beyond the first line break leaves it a document.
  EXPECT_THAT(rows_of("{\n\"a\": tru\n}\n{\"b\":1}"), ElementsAre("1@0 {\n\"a\": tru\n}", "4@13 {\"b\":1}"));
  EXPECT_THAT(rows_of("{\n\"a\": 1"), ElementsAre("1@0 {\n\"a\": 1"));
}

// Prevents: elements of an array lost, doubled or glued; an array cut short taken for whole.
TEST(JsonCutter, TakesArraysApart) {
  EXPECT_THAT(rows_of("[]"), IsEmpty());
  EXPECT_THAT(rows_of(" [ {\"a\":1} , {\"a\":[{}]}\n,{} ]\n"), ElementsAre("1@3 {\"a\":1}", "1@13 {\"a\":[{}]}", "2@25 {}"));
  EXPECT_THAT(rows_of("[{}]\n[{}]"), ElementsAre("1@1 {}", "2@6 {}"));
  EXPECT_THAT(rows_of("[1,\"]\",[{}],nul]"), ElementsAre("1@1 1", "1@3 \"]\"", "1@7 [{}]", "1@12 nul"));
  EXPECT_THAT(rows_of("[{},]"), ElementsAre("1@1 {}", "1@4 !expected a value ]"));
  EXPECT_THAT(rows_of("[,{}]"), ElementsAre("1@1 !expected a value ,", "1@2 {}"));
  EXPECT_THAT(rows_of("[{} {}]"), ElementsAre("1@1 {}", "1@4 !expected ',' or ']' ", "1@4 {}"));
  EXPECT_THAT(rows_of("[{},{}"), ElementsAre("1@1 {}", "1@4 {}", "1@6 !the file ends inside an array "));
  EXPECT_THAT(rows_of("[{},{\"a\":"), ElementsAre("1@1 {}", "1@4 {\"a\":", "1@9 !the file ends inside an array "));
  EXPECT_THAT(rows_of("[{}] x"), ElementsAre("1@1 {}", "1@5 x"));
  EXPECT_THAT(rows_of(std::string_view("[\0,{}]", 6)), ElementsAre(std::string_view("1@1 \0", 5), "1@3 {}"));
}

// Prevents: rows torn, lost or doubled where they lie across the blocks of the file.
TEST(JsonCutter, BlockBordersDoNotMatter) {
  const std::vector<std::string> texts = {
      "\xEF\xBB\xBF{\"a\":\"xyz\"}\r\n\n{\"b\":[1,2]}\n  {\"c\":\"\\\"\\\\\"}  \n{}",
      "{\n\"a\": \"}\\\\\\\"\"\n}\n\n{\"b\":{}}{\"c\":[[]]}\n",
      "[ {\"a\":\"]\\\"\"}, {\"b\":{}} ,\n12, \"x\" ]\n[{}]",
      "{\"a\":1} {\"b\":2}{\"c\":",
  };
  for (const auto& text : texts) {
    const auto whole = rows_of(text);
    for (int64_t block = 1; block < 40; ++block) EXPECT_EQ(rows_of(text, {}, block), whole) << text << " in blocks of " << block;
  }
}

// Prevents: a row read by two splits, or by none.
TEST(JsonCutter, SplitsAnywhereHaveEveryRowOnce) {
  const std::string text = "\xEF\xBB\xBF{\"a\":1}\n\n{\"a\":22}\r\n{\"a\":333}\n  {\"a\":4444}\n{\"a\":5}";
  const auto bytes_and_text = [](std::vector<std::string> rows) {
    for (auto& row : rows) row.erase(0, row.find('@'));
    return rows;
  };
  const auto whole = bytes_and_text(rows_of(text));
  const auto size = static_cast<int64_t>(text.size());
  for (int64_t block : {3, 1000}) {
    for (int64_t a = 1; a < size; ++a) {
      for (int64_t b = a; b < size; ++b) {
        auto rows = rows_of(text, {0, a}, block);
        for (const auto& range : {ByteRange{a, b - a}, ByteRange{b, size - b}}) {
          if (range.length == 0) continue;
          const auto more = rows_of(text, range, block);
          rows.insert(rows.end(), more.begin(), more.end());
        }
        ASSERT_EQ(bytes_and_text(rows), whole) << a << " " << b;
      }
    }
  }
  EXPECT_THAT(rows_of(text, {11, 12}), ElementsAre("0@12 {\"a\":22}", "0@22 {\"a\":333}"));
}

// Prevents: rows beyond the overrun of a split's request lost (the last row of a split may be long).
TEST(JsonCutter, FollowsALongLastRowBeyondTheSplit) {
  const std::string row = "{\"a\":\"" + std::string(300'000, 'x') + "\"}";
  const std::string text = row + "\n" + row + "\n{}\n";
  EXPECT_EQ(rows_of(text, {0, 10}).size(), 1U);
  EXPECT_EQ(rows_of(text, {10, 300'000}).size(), 1U);
  EXPECT_EQ(rows_of(text, {10, 300'000}).front().size(), row.size() + std::string("0@300009 ").size());
  EXPECT_THAT(rows_of(text, {300'010, -1}), ElementsAre(fmt::format("0@{} {{}}", 2 * row.size() + 2)));
}

// Prevents: the torn row at the end of a sample reported as broken.
TEST(JsonCutter, SamplesEndWithTheirLastWholeRow) {
  EXPECT_THAT(rows_of("{\"a\":1}\n{\"a\":2}\n", {0, 12}, 64, true), ElementsAre("1@0 {\"a\":1}"));
  EXPECT_THAT(rows_of("{\"a\":1}\n{\"a\":2}", {0, 100}, 64, true), ElementsAre("1@0 {\"a\":1}", "2@8 {\"a\":2}"));
  EXPECT_THAT(rows_of("[{\"a\":1},{\"a\":2}]", {0, 12}, 64, true), ElementsAre("1@1 {\"a\":1}"));
  EXPECT_THAT(rows_of("{\n\"a\":1}\n{\"a\":2}", {0, 12}, 64, true), ElementsAre("1@0 {\n\"a\":1}"));
}

/// A gigabyte of one byte behind a short head; counts what is read.
class EndlessBlob final : public Blob {
 public:
  EndlessBlob(std::string head, char fill) : head_(std::move(head)), fill_(fill) {}
  int64_t size_bytes() const override { return kGiB; }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context&) override {
    const int64_t end = range.length < 0 ? kGiB : std::min(kGiB, range.offset + range.length);
    return std::make_unique<Source>(*this, range.offset, end);
  }
  int64_t bytes_read = 0;

 private:
  struct Source final : ByteSource {
    Source(EndlessBlob& blob, int64_t at, int64_t end) : blob(blob), at(at), end(end) {}
    Result<size_t> read(std::span<char> into, Context&) override {
      const auto count = std::min(into.size(), static_cast<size_t>(end - at));
      std::ranges::fill(into.first(count), blob.fill_);
      for (size_t i = 0; i < count && static_cast<size_t>(at) + i < blob.head_.size(); ++i)
        into[i] = blob.head_[static_cast<size_t>(at) + i];
      at += static_cast<int64_t>(count);
      blob.bytes_read += static_cast<int64_t>(count);
      return count;
    }
    EndlessBlob& blob;
    int64_t at, end;
  };

  const std::string head_;
  const char fill_;
};

// Prevents: a gigabyte without a line break read into memory.
TEST(JsonCutter, RefusesAHugeRowWithoutReadingItAll) {
  for (const std::string head : {"{\"a\":1}\n{\"a\":\"", "[{\"a\":1},["}) {
    EndlessBlob blob(head, head.back() == '[' ? '[' : 'x');
    EXPECT_THAT(rows_of(blob), ElementsAre(HasSubstr("{"), HasSubstr("a row of more than 64 MiB"))) << head;
    EXPECT_LT(blob.bytes_read, kRowBytesMax + 4 * kMiB) << head;
  }
}

}  // namespace
}  // namespace sluice
