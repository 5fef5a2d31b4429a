#include "formats/parquet_format.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "formats/test_bytes.h"
#include "model/file.h"
#include "schema/arrow_value.h"

namespace sluice {
namespace {

using testing::HasSubstr;

std::string parquet_of(const std::shared_ptr<arrow::Schema>& schema, const std::vector<std::string>& columns, int64_t group_rows,
                       bool int96 = false) {
  arrow::ArrayVector arrays;
  for (int i = 0; i < schema->num_fields(); ++i) {
    arrays.push_back(arrow::json::ArrayFromJSONString(schema->field(i)->type(), columns[static_cast<size_t>(i)]).ValueOrDie());
  }
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto builder = parquet::ArrowWriterProperties::Builder();
  const auto arrow_properties = int96 ? builder.enable_deprecated_int96_timestamps()->build() : builder.store_schema()->build();
  const auto written = parquet::arrow::WriteTable(*arrow::Table::Make(schema, arrays), arrow::default_memory_pool(), sink, group_rows,
                                                  parquet::default_writer_properties(), arrow_properties);
  EXPECT_TRUE(written.ok()) << written.ToString();
  return sink->Finish().ValueOrDie()->ToString();
}

std::string numbers(int64_t rows, int64_t group_rows) {
  std::string json = "[";
  for (int64_t i = 0; i < rows; ++i) json += (i > 0 ? "," : "") + std::to_string(i);
  return parquet_of(arrow::schema({arrow::field("id", arrow::int64())}), {json + "]"}, group_rows);
}

ReadPlan plan_of(std::string_view name, std::string_view type) {
  ReadPlan plan;
  plan.columns.fields = {{.id = 1, .name = std::string(name), .type = *parse_type(type)}};
  return plan;
}

/// Rows as JSON, one block a line.
Result<std::string> read(Blob& blob, const ReadPlan& plan) {
  Context context;
  TRY_ASSIGN(auto reader, parquet_format().open(blob, {}, plan, context));
  std::string text;
  int64_t rows = 0;
  for (;;) {
    TRY_ASSIGN(const auto block, reader->next(context));
    if (!block) return text;
    EXPECT_EQ(block->first_row, rows);
    rows += block->batch->num_rows();
    for (int64_t i = 0; i < block->batch->num_rows(); ++i) {
      append_json_value(*block->batch->column(0), i, text);
      text += ' ';
    }
    text += '\n';
  }
}

/// Counts what is read, and fails where told to.
class CountingBlob final : public Blob {
 public:
  explicit CountingBlob(std::string bytes) : blob_(make_memory_blob(std::move(bytes))) {}
  int64_t size_bytes() const override { return blob_->size_bytes(); }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    ++opens;
    if (opens > opens_max) return std::unexpected(Error{ErrorCode::kConflict, "changed", std::string(error_type::kChangedWhileRead)});
    return blob_->open(range, context);
  }
  int opens = 0, opens_max = 1000;

 private:
  std::unique_ptr<Blob> blob_;
};

// Row groups lie apart and are decoded in portions: none may be lost, doubled or reordered.
TEST(ParquetFormat, StreamsRowGroups) {
  const auto blob = make_memory_blob(numbers(7, 3));
  EXPECT_EQ(read(*blob, plan_of("id", "long")).value(), "0 1 2 \n3 4 5 \n6 \n");
  ReadPlan plan = plan_of("id", "long");
  plan.block_rows_max = 2;
  EXPECT_EQ(read(*blob, plan).value(), "0 1 \n2 \n3 4 \n5 \n6 \n");
}

// Object stores are asked over a network: a request per column and page would take longer than the reading.
TEST(ParquetFormat, ReadsFewAndLargeRanges) {
  CountingBlob blob(numbers(30'000, 10'000));
  EXPECT_TRUE(read(blob, plan_of("id", "long")));
  EXPECT_LE(blob.opens, 5);  // footer (its end, then all of it), three row groups
}

// A file that changes while it is read goes back to discovery; as "broken" it would be FAILED and stay so.
TEST(ParquetFormat, PassesErrorsOfTheStoreOn) {
  for (int opens = 0; opens < 4; ++opens) {
    CountingBlob blob(numbers(30'000, 10'000));
    blob.opens_max = opens;
    const auto rows = read(blob, plan_of("id", "long"));
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().type, "ChangedWhileRead");
    EXPECT_EQ(rows.error().code, ErrorCode::kConflict);
  }
}

// A stop must be heard between two portions of a large file, and is no fault of the file.
TEST(ParquetFormat, StopsOnRequest) {
  const auto blob = make_memory_blob(numbers(7, 3));
  std::stop_source stop;
  Context context{.stop = stop.get_token()};
  auto reader = parquet_format().open(*blob, {}, plan_of("id", "long"), context).value();
  ASSERT_TRUE(reader->next(context));
  stop.request_stop();
  EXPECT_EQ(reader->next(context).error().code, ErrorCode::kCancelled);
}

// Half an upload must fail, and say so: every cut of the file.
TEST(ParquetFormat, RefusesBrokenFiles) {
  const std::string whole = numbers(100, 50);
  for (size_t cut = 0; cut < whole.size(); cut += 13) {
    const auto rows = read(*make_memory_blob(whole.substr(0, cut)), plan_of("id", "long"));
    ASSERT_FALSE(rows) << cut;
    EXPECT_EQ(rows.error().type, "ParseError");
    EXPECT_THAT(rows.error().message, HasSubstr("Parquet"));
  }
}

/// The file of one row group of `rows` rows with another number of them in its footer: the last place there that has the number (Thrift's
/// compact form).
std::string with_group_rows(std::string file, int64_t rows, int64_t written) {
  const auto zigzag = [](int64_t value) { return varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63)); };
  const size_t at = file.rfind(zigzag(rows));
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(zigzag(rows).size(), zigzag(written).size());
  return file.replace(at, zigzag(written).size(), zigzag(written));
}

// A footer that counts more rows than the pages hold: Arrow ends quietly there, and the file would be LOADED without its last rows.
TEST(ParquetFormat, RefusesAFooterThatCountsOtherwise) {
  constexpr int64_t kRows = 7777;
  const std::string whole = numbers(kRows, kRows);
  ASSERT_TRUE(read(*make_memory_blob(with_group_rows(whole, kRows, kRows)), plan_of("id", "long")));
  const auto more = read(*make_memory_blob(with_group_rows(whole, kRows, kRows + 1)), plan_of("id", "long"));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().type, "ParseError");
  EXPECT_THAT(more.error().message, HasSubstr("row group 0, after row 7777: broken Parquet data: 1 rows are missing"));
  const auto negative = read(*make_memory_blob(with_group_rows(whole, kRows, -kRows)), plan_of("id", "long"));
  ASSERT_FALSE(negative);
  EXPECT_THAT(negative.error().message, HasSubstr("it has -7777 rows"));
}

// Run lengths make hundreds of millions of list elements a file of some kilobytes; portions of a fixed number of rows would hold them all.
TEST(ParquetFormat, PortionsAreSmallWhereListsAreLong) {
  const auto type = arrow::list(arrow::int64());
  arrow::Int64Builder elements;
  arrow::Int32Builder offsets;
  ASSERT_TRUE(offsets.Append(0).ok());
  for (int32_t row = 0; row < 512; ++row) {
    for (int i = 0; i < 8192; ++i) ASSERT_TRUE(elements.Append(7).ok());
    ASSERT_TRUE(offsets.Append((row + 1) * 8192).ok());
  }
  const auto lists = arrow::ListArray::FromArrays(*offsets.Finish().ValueOrDie(), *elements.Finish().ValueOrDie()).ValueOrDie();
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("l", type)}), {lists});
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 512).ok());
  const std::string file = sink->Finish().ValueOrDie()->ToString();
  EXPECT_LT(file.size(), 100'000U);
  const auto blob = make_memory_blob(file);
  Context context;
  auto reader = parquet_format().open(*blob, {}, plan_of("l", "list<long>"), context).value();
  EXPECT_EQ(reader->next(context).value()->batch->num_rows(), 256);
}

// INT96 has no time zone in the file, but what Spark, Hive and Impala write are instants; years beyond 2262 overflow nanoseconds.
TEST(ParquetFormat, ReadsInt96AsInstants) {
  const auto schema = arrow::schema({arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO)),
                                     arrow::field("s", arrow::struct_({arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO))}))});
  const auto blob = make_memory_blob(parquet_of(schema, {R"(["2300-01-01", null])", R"([{"at": "2020-01-01"}, null])"}, 10, true));
  Context context;
  const auto inferred = parquet_format().infer(*blob, 1, Source{}, {}, context).value();
  EXPECT_EQ(to_text(*inferred.fields[0].type), "timestamptz");
  EXPECT_EQ(to_text(*inferred.fields[1].type), "struct<at: timestamptz>");
  EXPECT_EQ(read(*blob, plan_of("at", "timestamptz")).value(), "\"2300-01-01T00:00:00+00:00\" null \n");
  EXPECT_EQ(read(*blob, plan_of("s", "struct<at: timestamptz>")).value(), "{\"at\": \"2020-01-01T00:00:00+00:00\"} null \n");
}

// A bad row among good ones follows on_bad_row like a bad line does, with the row's number in the file.
TEST(ParquetFormat, CountsBadRows) {
  const auto blob = make_memory_blob(parquet_of(arrow::schema({arrow::field("id", arrow::int64())}), {"[1, null, 3]"}, 2));
  ReadPlan plan = plan_of("id", "long");
  plan.columns.fields[0].required = true;
  const auto failed = read(*blob, plan);
  EXPECT_EQ(failed.error().type, "ParseError");
  EXPECT_EQ(failed.error().line, 2);
  plan.bad_rows = {.action = BadRowAction::kSkip, .rows_max = 1};
  EXPECT_EQ(read(*blob, plan).value(), "1 \n3 \n");
  plan.bad_rows.percent_max = 30;
  EXPECT_THAT(read(*blob, plan).error().message, HasSubstr("1 of 3 rows are bad"));
}

// An empty file has columns and no rows; both must come out.
TEST(ParquetFormat, ReadsFilesWithoutRows) {
  const auto blob = make_memory_blob(numbers(0, 10));
  EXPECT_EQ(read(*blob, plan_of("id", "long")).value(), "");
  Context context;
  EXPECT_EQ(parquet_format().infer(*blob, 1, Source{}, {}, context)->header, std::vector<std::string>{"id"});
}

}  // namespace
}  // namespace sluice
