#include "formats/csv_split.h"

#include <random>
#include <string>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/csv_format.h"

namespace sluice {
namespace {

ReadPlan plan_of_two(bool header) {
  ReadPlan plan;
  plan.csv.header = header;
  plan.columns.fields = {{1, "a", false, make_type(TypeId::kString)}, {2, "b", false, make_type(TypeId::kString)}};
  return plan;
}

/// The rows of ranges, one after the other; or the first error.
std::string read(Blob& blob, const std::vector<ByteRange>& ranges, const ReadPlan& plan) {
  Context context;
  std::string text;
  for (const ByteRange& range : ranges) {
    auto reader = csv_format().open(blob, range, plan, context);
    if (!reader) return "error: " + reader.error().message;
    for (;;) {
      auto block = (*reader)->next(context);
      if (!block) return "error: " + block.error().message;
      if (!*block) break;
      const auto& batch = *(*block)->batch;
      for (int64_t row = 0; row < batch.num_rows(); ++row) {
        for (int i = 0; i < 2; ++i) text += batch.column(i)->IsNull(row) ? "null|" : (*batch.column(i)->GetScalar(row))->ToString() + "|";
        text += '\n';
      }
    }
  }
  return text;
}

std::vector<ByteRange> split(const std::string& file, int64_t split_bytes) {
  Context context;
  const auto ranges = split_csv(*make_memory_blob(file), {}, split_bytes, context);
  EXPECT_TRUE(ranges) << ranges.error().message;
  return *ranges;
}

// Prevents: rows lost, doubled or torn where ranges meet: at line feeds and quotes within quotes, blank lines, CRLF, a byte order mark
// inside the file, and without header.
TEST(CsvSplit, RangesTogetherGiveTheRowsOfTheWholeFile) {
  std::mt19937 random(7);
  const std::vector<std::string> fields = {
      "x", "", "\"\"", "\"a\nb\"", "\"q\"\"\n,\"\"\"", "long text without an end", "\"\r\n\"", "\xEF\xBB\xBFy"};
  for (int round = 0; round < 300; ++round) {
    std::string file = round % 2 == 0 ? "a,b\n" : "";
    while (file.size() < 600) {
      file += fields[random() % fields.size()] + "," + fields[random() % fields.size()] + (random() % 3 == 0 ? "\r\n" : "\n");
      if (random() % 8 == 0) file += "\n";
    }
    const auto ranges = split(file, 1 + static_cast<int64_t>(random() % 150));
    EXPECT_GT(ranges.size(), 1u);
    const auto blob = make_memory_blob(file);
    const ReadPlan plan = plan_of_two(round % 2 == 0);
    EXPECT_EQ(read(*blob, ranges, plan), read(*blob, {{}}, plan)) << file;
  }
}

// Prevents: a quote that is no quote (RFC 4180 broken) turning fields into rows: ranges that were cut wrong must fail, never differ.
TEST(CsvSplit, AWrongPlaceIsAnErrorNotOtherRows) {
  std::mt19937 random(11);
  const std::vector<std::string> good = {"x", "\"a\nb\"", "y", "\"e,\n\nf\""}, broken = {"5\" pipe", "\"", "\"c\"d", "x\"\n\""};
  int failed = 0, same = 0;
  for (int round = 0; round < 500; ++round) {
    const auto field = [&] { return random() % 60 == 0 ? broken[random() % broken.size()] : good[random() % good.size()]; };
    std::string file = "a,b\n";
    while (file.size() < 200) file += field() + "," + field() + "\n";
    const auto blob = make_memory_blob(file);
    const std::string apart = read(*blob, split(file, 1 + static_cast<int64_t>(random() % 60)), plan_of_two(true));
    if (apart.starts_with("error")) {
      ++failed;
    } else {
      ++same;
      ASSERT_EQ(apart, read(*blob, {{}}, plan_of_two(true))) << file;
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(same, 0);
}

// Prevents: a record longer than a range read twice, a range without end, and a file without line feeds cut anywhere.
TEST(CsvSplit, CutsOnlyBetweenRecords) {
  EXPECT_EQ(split("a,b\n", 1).size(), 1u);
  EXPECT_EQ(split(std::string(500, 'x'), 10).size(), 1u);
  EXPECT_EQ(split("a,b\n\"" + std::string(100, '\n') + "\",x\ny,z\n", 8).size(), 2u);
  const auto ranges = split("a,b\n" + std::string(40, 'x') + ",y\nz,z\nz,z\nz,z\nz,z\n", 8);
  int64_t at = 0;
  for (const ByteRange& range : ranges) {
    EXPECT_EQ(range.offset, at);
    at += range.length;
  }
  EXPECT_EQ(at, 4 + 43 + 4 * 4);
}

}  // namespace
}  // namespace sluice
