// Every format's bundle against its reader: what a bundle takes is what the reader gives, and what it does not take leaves no trace.
#include <string>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/csv_format.h"
#include "formats/format.h"
#include "formats/json_format.h"

namespace sluice {
namespace {

constexpr char kRowEnd = '\x1e';

ReadPlan example_plan() {
  ReadPlan plan;
  plan.report_drift = true;
  plan.columns.fields = {{1, "id", true, make_type(TypeId::kLong)},
                         {2, "name", false, make_type(TypeId::kString)},
                         {3, "at", false, make_type(TypeId::kTimestamptz)}};
  return plan;
}

std::string text_of(const arrow::RecordBatch& batch) {
  EXPECT_TRUE(batch.ValidateFull().ok()) << batch.ValidateFull().ToString();
  std::string text;
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    for (const auto& column : batch.columns()) text += (column->IsNull(row) ? "null" : (*column->GetScalar(row))->ToString()) + "|";
    text += kRowEnd;
  }
  return text;
}

std::string read_alone(const Format& format, const std::string& file, const ReadPlan& plan) {
  Context context;
  const auto blob = make_memory_blob(file);
  auto reader = format.open(*blob, {}, plan, context);
  if (!reader) return reader.error().message;
  std::string text;
  for (;;) {
    auto block = (*reader)->next(context);
    if (!block) return block.error().message;
    if (!*block) return text;
    text += text_of(*(*block)->batch);
  }
}

std::optional<int64_t> add(Bundle& bundle, const std::string& file) {
  Context context;
  const std::string padded = file + std::string(kBundlePaddingBytes, '?');
  return bundle.add(std::string_view(padded).substr(0, file.size()), context);
}

struct BundleCase {
  const Format& (*format)();
  std::vector<std::string> plain;      ///< files that a bundle takes
  std::vector<std::string> not_plain;  ///< files that need a reader of their own
};

class BundleTest : public testing::TestWithParam<BundleCase> {};

// Prevents: rows of a bundled file that differ from those a reader gives (layouts, byte order marks, missing columns, empty files), and
// counts that put them into another file's provenance.
TEST_P(BundleTest, TakesWhatTheReaderGives) {
  const ReadPlan plan = example_plan();
  const auto bundle = GetParam().format().bundle(plan);
  std::string expected;
  for (const std::string& file : GetParam().plain) {
    const std::string alone = read_alone(GetParam().format(), file, plan);
    EXPECT_EQ(add(*bundle, file), std::ranges::count(alone, kRowEnd)) << file;
    expected += alone;
  }
  EXPECT_EQ(bundle->rows(), std::ranges::count(expected, kRowEnd));
  EXPECT_EQ(text_of(*bundle->take()), expected);
  EXPECT_EQ(bundle->rows(), 0);
}

// Prevents: half of a broken file in the table, rescued values and drift that nobody hears of, and neighbours that suffer from it.
TEST_P(BundleTest, LeavesNothingOfAFileThatIsNotPlain) {
  const ReadPlan plan = example_plan();
  const auto bundle = GetParam().format().bundle(plan);
  const std::string& plain = GetParam().plain.front();
  const std::string alone = read_alone(GetParam().format(), plain, plan);
  std::string expected;
  for (const std::string& file : GetParam().not_plain) {
    EXPECT_EQ(add(*bundle, plain), std::ranges::count(alone, kRowEnd));
    expected += alone;
    EXPECT_EQ(add(*bundle, file), std::nullopt) << file;
  }
  EXPECT_EQ(text_of(*bundle->take()), expected);
}

// Prevents: a bundle that grows without bound.
TEST_P(BundleTest, IsFullAtItsRows) {
  ReadPlan plan = example_plan();
  plan.block_rows_max = 3;
  const auto bundle = GetParam().format().bundle(plan);
  while (!bundle->full()) ASSERT_TRUE(add(*bundle, GetParam().plain.front()));
  EXPECT_GE(bundle->rows(), 3);
  EXPECT_LT(bundle->rows(), 6);
}

const std::string kGzip("\x1f\x8b\x08\x00", 4);

INSTANTIATE_TEST_SUITE_P(Json, BundleTest,
                         testing::Values(BundleCase{
                             .format = json_format,
                             .plain = {"{\"id\":1,\"name\":\"a\"}\n{\"name\":null,\"id\":2,\"at\":\"2026-01-02T03:04:05Z\"}",
                                       "\xEF\xBB\xBF{\"id\":3}\r\n\r\n{\"id\":4,\"other\":null}\r\n", "",
                                       "[{\"id\":5},\n {\"id\":6,\n  \"name\":\"x\\n\"}]\n", "{\n  \"id\": 7\n}\n{\"id\": 8}"},
                             .not_plain = {"{\"id\":1}\n{\"id\":2", "{\"id\":1}\n{\"id\":2,\"more\":true}", "{\"id\":\"x\"}",
                                           "{\"id\":1}\n{\"name\":\"no id\"}", "[{\"id\":1}", kGzip}}));
INSTANTIATE_TEST_SUITE_P(Csv, BundleTest,
                         testing::Values(BundleCase{
                             .format = csv_format,
                             .plain = {"id,name,at\n1,a,\n2,\"b,\"\"c\n\",2026-01-02T03:04:05Z\n", "\xEF\xBB\xBFid,name,at\r\n3,,\r\n", "",
                                       "id,name,at\n", "name,id\nx,4", "id,name,at\n5,e,2026-01-02T03:04:05Z", "id;name\n6;f, g\n",
                                       "id|name\n7|g\n", "name\tid\nh\t8\n", "id\n9\n"},
                             .not_plain = {"id,name,at\n1,a\n", "id,name,at,more\n1,a,,x\n", "id,name,at\n1,a,b\n", "name\nx\n",
                                           "id,name,at\n1,\"a", "id,name,at\n,a,\n", "id\n01\n", "id\n+1\n", kGzip,
                                           // What has to be looked at first.
                                           "# c\nid,name\n1,a\n", "id,name\n1,'a'\n", "id,name\n1,caf\xe9\n", "1,a\n",
                                           "Title\nid,name\n1,a\n", "id,name\n1,\"a\\\"b\"\n",
                                           std::string("i\0d\0,\0n\0\n\0001\0,\0x\0", 16)}}));

}  // namespace
}  // namespace sluice
