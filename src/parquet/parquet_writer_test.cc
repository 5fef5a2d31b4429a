#include "parquet/parquet_writer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>

#include <arrow/array/array_dict.h>
#include <arrow/builder.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include "parquet/test_tables.h"
#include "schema/literal.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Optional;

struct Written {
  WrittenFile file;
  std::string bytes;
};

/// Writes the batches as one file.
Written write(const Schema& schema, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, const ParquetOptions& options = {},
              const std::map<std::string, std::string>& footer = {}) {
  Written written;
  Context context;
  auto writer = open_parquet_writer(make_memory_sink(written.bytes), "file:///t/a.parquet", schema, options);
  EXPECT_TRUE(writer) << writer.error().message;
  for (const auto& batch : batches) {
    auto appended = (*writer)->append(*batch, context);
    EXPECT_TRUE(appended) << appended.error().message;
  }
  auto file = (*writer)->finish(footer, context);
  EXPECT_TRUE(file) << file.error().message;
  if (file) written.file = *file;
  EXPECT_EQ(written.file.size_bytes, static_cast<int64_t>(written.bytes.size()));
  return written;
}

Schema schema_of(std::vector<Field> fields) {
  Schema schema;
  schema.fields = std::move(fields);
  assign_field_ids(schema.fields, 0);
  return schema;
}

Schema single(TypePtr type, bool required = false) { return schema_of({{0, "c", required, std::move(type)}}); }

ColumnMetrics metrics_of(TypePtr type, const std::string& json) {
  const Schema schema = single(std::move(type));
  return write(schema, {batch_of(schema, {json})}).file.columns.at(1);
}

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

const Schema& every_type() {
  static const Schema kSchema = schema_of({
      {0, "bool", false, make_type(TypeId::kBoolean)},
      {0, "int", false, make_type(TypeId::kInt)},
      {0, "long", false, make_type(TypeId::kLong)},
      {0, "float", false, make_type(TypeId::kFloat)},
      {0, "double", false, make_type(TypeId::kDouble)},
      {0, "dec9", false, make_decimal(9, 2)},
      {0, "dec18", false, make_decimal(18, 3)},
      {0, "dec38", false, make_decimal(38, 10)},
      {0, "date", false, make_type(TypeId::kDate)},
      {0, "time", false, make_type(TypeId::kTime)},
      {0, "ts", false, make_type(TypeId::kTimestamp)},
      {0, "tstz", false, make_type(TypeId::kTimestamptz)},
      {0, "string", false, make_type(TypeId::kString)},
      {0, "uuid", false, make_type(TypeId::kUuid)},
      {0, "fixed", false, make_fixed(3)},
      {0, "binary", false, make_type(TypeId::kBinary)},
      {0, "struct", false, make_struct({{0, "a", false, make_type(TypeId::kInt)}, {0, "b", false, make_type(TypeId::kString)}})},
      {0, "list", false, make_list(make_type(TypeId::kDouble))},
      {0, "map", false, make_map(make_type(TypeId::kString), make_type(TypeId::kLong))},
      {0, "required", true, make_type(TypeId::kLong)},
  });
  return kSchema;
}

std::shared_ptr<arrow::RecordBatch> every_type_rows() {
  return batch_of(every_type(), {"[true, null, false]",
                                 "[-5, null, 7]",
                                 "[-5000000000, null, 7]",
                                 "[1.5, null, -2.5]",
                                 "[1.5, null, -2.5]",
                                 R"(["12.34", null, "-0.01"])",
                                 R"(["123456789012345.678", null, "-0.001"])",
                                 R"(["1234567890123456789012345678.0123456789", null, "-0.0000000001"])",
                                 "[19000, null, -1]",
                                 "[86399999999, null, 0]",
                                 "[1700000000000001, null, -1]",
                                 "[1700000000000001, null, -1]",
                                 R"(["äpfel", null, ""])",
                                 R"(["0123456789abcdef", null, "fedcba9876543210"])",
                                 R"(["abc", null, "xyz"])",
                                 R"(["xx", null, ""])",
                                 R"([{"a": 1, "b": "x"}, null, {"a": null, "b": "y"}])",
                                 "[[1.0, null], null, []]",
                                 R"([[["k", 1], ["l", null]], null, []])",
                                 "[1, 2, 3]"});
}

// Prevents: a type that is written as something else than the table says, or nulls that move.
TEST(ParquetWriter, EveryTypeReadsBack) {
  const auto rows = every_type_rows();
  const Written written = write(every_type(), {rows, rows}, {}, {{"iceberg.schema", "{}"}});
  EXPECT_EQ(written.file.rows, 6);
  EXPECT_EQ(written.file.path, "file:///t/a.parquet");
  const auto expected = arrow::Table::FromRecordBatches({rows, rows}).ValueOrDie()->CombineChunks().ValueOrDie();
  const auto table = read_table(written.bytes);
  for (int i = 0; i < expected->num_columns(); ++i) {
    EXPECT_TRUE(table->column(i)->Equals(*expected->column(i))) << expected->field(i)->ToString() << "\n"
                                                                << table->column(i)->ToString() << "\n"
                                                                << table->field(i)->ToString();
  }
  EXPECT_EQ(open_parquet(written.bytes)->metadata()->key_value_metadata()->Get("iceberg.schema").ValueOrDie(), "{}");
}

// Prevents: a crash, or a file that readers refuse, where no row came.
TEST(ParquetWriter, AFileWithoutRowsIsAFile) {
  const Written written = write(every_type(), {});
  EXPECT_EQ(written.file.rows, 0);
  EXPECT_TRUE(written.file.split_offsets.empty());
  EXPECT_EQ(read_table(written.bytes)->num_rows(), 0);
  EXPECT_EQ(written.file.columns.at(1).value_count, 0);
  EXPECT_EQ(written.file.columns.at(1).lower_bound, std::nullopt);
}

// Prevents: a node without its field id (readers then see null), and logical types that shift or misread values.
TEST(ParquetWriter, SchemaCarriesFieldIdsAndLogicalTypes) {
  const Written written = write(every_type(), {every_type_rows()});
  const auto file = open_parquet(written.bytes);
  const auto& schema = *file->metadata()->schema();
  const std::function<void(const parquet::schema::Node&)> check = [&](const parquet::schema::Node& node) {
    const bool is_repeated_group = node.is_group() && node.is_repeated();
    if (node.parent() != nullptr && !is_repeated_group) {
      EXPECT_GT(node.field_id(), 0) << node.path()->ToDotString();
    }
    if (!node.is_group()) return;
    const auto& group = static_cast<const parquet::schema::GroupNode&>(node);
    for (int i = 0; i < group.field_count(); ++i) check(*group.field(i));
  };
  check(*schema.schema_root());

  std::map<std::string, std::string> logical;
  std::map<std::string, parquet::Type::type> physical;
  for (int i = 0; i < schema.num_columns(); ++i) {
    const std::string path = schema.Column(i)->path()->ToDotString();
    logical[path] = schema.Column(i)->logical_type()->ToString();
    physical[path] = schema.Column(i)->physical_type();
  }
  EXPECT_EQ(physical["dec9"], parquet::Type::INT32);
  EXPECT_EQ(physical["dec18"], parquet::Type::INT64);
  EXPECT_EQ(physical["dec38"], parquet::Type::FIXED_LEN_BYTE_ARRAY);
  EXPECT_EQ(logical["uuid"], "UUID");
  EXPECT_THAT(logical["ts"], HasSubstr("isAdjustedToUTC=false, timeUnit=microseconds"));
  EXPECT_THAT(logical["tstz"], HasSubstr("isAdjustedToUTC=true, timeUnit=microseconds"));
  EXPECT_THAT(logical["time"], HasSubstr("isAdjustedToUTC=false, timeUnit=microseconds"));
  EXPECT_TRUE(physical.contains("list.list.element"));
  EXPECT_TRUE(physical.contains("map.key_value.key"));
  EXPECT_TRUE(physical.contains("map.key_value.value"));
}

// Prevents: bounds in Parquet's bytes instead of Iceberg's single-value form, or of the wrong width.
TEST(ParquetWriter, BoundsAreSingleValueBytes) {
  const auto columns = write(every_type(), {every_type_rows()}).file.columns;
  const auto check = [&](const char* name, const std::string& lower, const std::string& upper) {
    const ColumnMetrics& column = columns.at(every_type().find(name)->id);
    EXPECT_EQ(column.lower_bound, lower) << name;
    EXPECT_EQ(column.upper_bound, upper) << name;
    EXPECT_EQ(column.value_count, 3) << name;
    EXPECT_EQ(column.null_count, 1) << name;
    EXPECT_GT(column.size_bytes, 0) << name;
  };
  check("bool", std::string(1, '\0'), "\x01");
  check("int", bytes_of(int32_t{-5}), bytes_of(int32_t{7}));
  check("long", bytes_of(int64_t{-5000000000}), bytes_of(int64_t{7}));
  check("float", bytes_of(-2.5f), bytes_of(1.5f));
  check("double", bytes_of(-2.5), bytes_of(1.5));
  check("dec9", "\xFF", "\x04\xD2");
  check("dec18", "\xFF", std::string("\x01\xB6\x9B\x4B\xA6\x30\xF3\x4E", 8));
  check("date", bytes_of(int32_t{-1}), bytes_of(int32_t{19000}));
  check("time", bytes_of(int64_t{0}), bytes_of(int64_t{86399999999}));
  check("ts", bytes_of(int64_t{-1}), bytes_of(int64_t{1700000000000001}));
  check("tstz", bytes_of(int64_t{-1}), bytes_of(int64_t{1700000000000001}));
  check("string", "", "äpfel");
  check("uuid", "0123456789abcdef", "fedcba9876543210");
  check("fixed", "abc", "xyz");
  check("binary", "", "xx");

  const ColumnMetrics& dec38 = columns.at(every_type().find("dec38")->id);
  EXPECT_EQ(dec38.lower_bound, "\xFF");
  const auto upper = from_single_value(*make_decimal(38, 10), *dec38.upper_bound);
  ASSERT_TRUE(upper);
  EXPECT_TRUE(std::get<Int128>(*upper) == Int128{1234567890123456789} * 10'000'000'000'000'000'000u + 123456780123456789);
}

// Prevents: bounds below a list, where a row has many values and readers would prune by the wrong one.
TEST(ParquetWriter, NestedColumnsHaveCountsAndOnlyStructMembersHaveBounds) {
  const auto columns = write(every_type(), {every_type_rows()}).file.columns;
  const Field& record = *every_type().find("struct");
  EXPECT_EQ(columns.at(record.type->fields[0].id).lower_bound, bytes_of(int32_t{1}));
  EXPECT_EQ(columns.at(record.type->fields[0].id).null_count, 2);
  EXPECT_EQ(columns.at(record.type->fields[1].id).upper_bound, "y");
  for (const char* name : {"list", "map"}) {
    for (const Field& child : every_type().find(name)->type->fields) {
      const ColumnMetrics& column = columns.at(child.id);
      EXPECT_EQ(column.value_count, 4) << name;
      EXPECT_EQ(column.lower_bound, std::nullopt) << name;
      EXPECT_EQ(column.upper_bound, std::nullopt) << name;
    }
  }
  EXPECT_FALSE(columns.contains(record.id));
}

// Prevents: NaN as a bound or hiding the true one, NaN counts that miss slices, and counting what null parents hide.
TEST(ParquetWriter, CountsNaNsAndKeepsThemOutOfBounds) {
  const ColumnMetrics some = metrics_of(make_type(TypeId::kDouble), "[NaN, 3.0, null, NaN, -1.0]");
  EXPECT_EQ(some.nan_count, 2);
  EXPECT_EQ(some.value_count, 5);
  EXPECT_EQ(some.null_count, 1);
  EXPECT_EQ(some.lower_bound, bytes_of(-1.0));
  EXPECT_EQ(some.upper_bound, bytes_of(3.0));

  const ColumnMetrics all = metrics_of(make_type(TypeId::kFloat), "[NaN, NaN]");
  EXPECT_EQ(all.nan_count, 2);
  EXPECT_EQ(all.lower_bound, std::nullopt);
  EXPECT_EQ(all.upper_bound, std::nullopt);
  EXPECT_EQ(metrics_of(make_type(TypeId::kInt), "[1]").nan_count, std::nullopt);

  const Schema schema =
      single(make_struct({{0, "d", false, make_type(TypeId::kDouble)}, {0, "l", false, make_list(make_type(TypeId::kFloat))}}));
  const auto member = array_of(arrow::float64(), "[NaN, NaN, 1.0]");
  const auto type = to_arrow(*schema.fields[0].type);
  const auto lists = array_of(type->field(1)->type(), "[[NaN, 1.0], [NaN], [NaN, NaN]]");
  const auto valid = arrow::Buffer::FromString(std::string(1, '\x05'));
  const auto rows = std::make_shared<arrow::StructArray>(type, 3, arrow::ArrayVector{member, lists}, valid, 1);
  const auto batch = arrow::RecordBatch::Make(to_arrow(schema), 3, {rows});
  const auto columns = write(schema, {batch, batch->Slice(2)}).file.columns;
  EXPECT_EQ(columns.at(schema.fields[0].type->fields[0].id).nan_count, 1);
  EXPECT_EQ(columns.at(schema.fields[0].type->fields[1].type->fields[0].id).nan_count, 5);
}

// Prevents: a filter on 0.0 that misses -0.0 because the bound has the wrong sign.
TEST(ParquetWriter, ZeroBoundsCoverBothZeros) {
  const ColumnMetrics column = metrics_of(make_type(TypeId::kDouble), "[0.0, -0.0]");
  EXPECT_EQ(column.lower_bound, bytes_of(-0.0));
  EXPECT_EQ(column.upper_bound, bytes_of(0.0));
}

// Prevents: a bound from some row groups only, where others hold values that Parquet kept no statistics for (longer than 4 KB).
TEST(ParquetWriter, NoBoundsWhereOneRowGroupHasNone) {
  const Schema schema = single(make_type(TypeId::kString));
  ParquetOptions options;
  options.row_group_rows = 1;
  const std::string huge = "[\"" + std::string(10'000, 'z') + "\"]";
  EXPECT_EQ(write(schema, {batch_of(schema, {"[\"a\"]"}), batch_of(schema, {huge})}, options).file.columns.at(1).upper_bound, std::nullopt);
  const auto nulls = write(schema, {batch_of(schema, {"[\"a\"]"}), batch_of(schema, {"[null]"})}, options).file.columns.at(1);
  EXPECT_THAT(nulls.upper_bound, Optional(std::string("a")));
  EXPECT_EQ(nulls.null_count, 1);
}

std::shared_ptr<arrow::RecordBatch> random_longs(const Schema& schema, int64_t rows) {
  arrow::Int64Builder builder;
  uint64_t state = 1;
  for (int64_t i = 0; i < rows; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    EXPECT_TRUE(builder.Append(static_cast<int64_t>(state)).ok());
  }
  return arrow::RecordBatch::Make(to_arrow(schema), rows, {builder.Finish().ValueOrDie()});
}

// Prevents: row groups without a limit (memory), and split offsets that are not the starts of the row groups.
TEST(ParquetWriter, CutsRowGroupsByRowsAndByBytes) {
  const Schema schema = single(make_type(TypeId::kLong));
  ParquetOptions by_rows;
  by_rows.row_group_rows = 30'000;
  const auto rows = random_longs(schema, 70'000);
  const Written three = write(schema, {rows}, by_rows);
  const auto file = open_parquet(three.bytes);
  ASSERT_EQ(file->metadata()->num_row_groups(), 3);
  EXPECT_EQ(file->metadata()->RowGroup(0)->num_rows(), 30'000);
  EXPECT_EQ(file->metadata()->RowGroup(2)->num_rows(), 10'000);
  std::vector<int64_t> starts;
  for (int i = 0; i < 3; ++i) starts.push_back(file->metadata()->RowGroup(i)->ColumnChunk(0)->data_page_offset());
  EXPECT_EQ(three.file.split_offsets, starts);
  EXPECT_EQ(starts[0], 4);
  EXPECT_TRUE(read_table(three.bytes)->column(0)->chunk(0)->Equals(*rows->column(0)));

  ParquetOptions by_bytes;
  by_bytes.row_group_bytes = 256 * kKiB;
  by_bytes.page_bytes = 16 * kKiB;
  const Written by_size = write(schema, {rows, rows, rows}, by_bytes);
  EXPECT_GE(open_parquet(by_size.bytes)->metadata()->num_row_groups(), 4);
  EXPECT_EQ(by_size.file.rows, 210'000);
}

// Prevents: a row group that costs raw columns: what is buffered must be near what is encoded, and end with the row group.
TEST(ParquetWriter, BuffersEncodedBytesOnly) {
  const Schema schema = single(make_type(TypeId::kLong));
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < 100'000; ++i) ASSERT_TRUE(builder.Append(i).ok());
  const auto rows = arrow::RecordBatch::Make(to_arrow(schema), 100'000, {builder.Finish().ValueOrDie()});
  std::string bytes;
  Context context;
  auto writer = *open_parquet_writer(make_memory_sink(bytes), "p", schema, {});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(writer->append(*rows, context));
  EXPECT_EQ(writer->rows(), 2'000'000);
  EXPECT_LT(writer->buffered_bytes(), 8 * kMiB) << "raw rows are 16 MB";
  EXPECT_GT(writer->size_bytes_estimate(), kMiB);
  const int64_t estimate = writer->size_bytes_estimate();
  const auto file = writer->finish({}, context);
  ASSERT_TRUE(file);
  EXPECT_NEAR(static_cast<double>(estimate), static_cast<double>(file->size_bytes), 2e6);
}

// Prevents: memory that no caller can free without ending the file, empty row groups, and small appends out of order.
TEST(ParquetWriter, CutsRowGroupsOnRequest) {
  const Schema schema = single(make_type(TypeId::kLong));
  const auto rows = random_longs(schema, 50'000);
  std::string bytes;
  Context context;
  auto writer = *open_parquet_writer(make_memory_sink(bytes), "p", schema, {});
  ASSERT_TRUE(writer->append(*rows->Slice(0, 30'000), context));
  ASSERT_TRUE(writer->cut_row_group(context));
  ASSERT_TRUE(writer->cut_row_group(context));
  EXPECT_GT(bytes.size(), 100'000u);
  EXPECT_LT(writer->buffered_bytes(), kMiB);
  for (int64_t at = 30'000; at < 50'000; at += 7) {
    ASSERT_TRUE(writer->append(*rows->Slice(at, std::min<int64_t>(7, 50'000 - at)), context));
  }
  ASSERT_TRUE(writer->cut_row_group(context));
  const auto file = writer->finish({}, context);
  ASSERT_TRUE(file);
  EXPECT_EQ(open_parquet(bytes)->metadata()->num_row_groups(), 2);
  EXPECT_EQ(file->split_offsets.size(), 2u);
  EXPECT_EQ(file->columns.at(1).value_count, 50'000);
  EXPECT_TRUE(read_table(bytes)->column(0)->chunk(0)->Equals(*rows->column(0)));
}

bool has_dictionary(const Written& written, int column) {
  return open_parquet(written.bytes)->metadata()->RowGroup(0)->ColumnChunk(column)->has_dictionary_page();
}

// Prevents: hashing every value of a column of distinct ones (several times the cost of writing it), and losing the dictionary where it
// pays.
TEST(ParquetWriter, ChoosesDictionariesByTheFirstRows) {
  const Schema schema = schema_of({{0, "unique", false, make_type(TypeId::kString)}, {0, "few", false, make_type(TypeId::kString)}});
  arrow::StringBuilder unique, few;
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(unique.Append("user-" + std::to_string(i)).ok());
    ASSERT_TRUE(few.Append(i % 2 == 0 ? "click" : "view").ok());
  }
  const auto rows = arrow::RecordBatch::Make(to_arrow(schema), 5000, {unique.Finish().ValueOrDie(), few.Finish().ValueOrDie()});
  const Written written = write(schema, {rows});
  EXPECT_FALSE(has_dictionary(written, 0));
  EXPECT_TRUE(has_dictionary(written, 1));
}

// Prevents: a writer that only takes plain strings, or mixes up codes when dictionaries differ between batches.
TEST(ParquetWriter, TakesDictionaryArraysForStrings) {
  const Schema schema = single(make_type(TypeId::kString));
  const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const auto coded = [&](const char* codes, const char* words) {
    auto array = arrow::json::DictArrayFromJSONString(type, codes, words).ValueOrDie();
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), array->length(), {array});
  };
  const Written written = write(schema, {coded("[1, 0, null]", R"(["a", "b"])"), coded("[0, 2]", R"(["x", "y", "z"])")});
  EXPECT_TRUE(read_table(written.bytes)->column(0)->chunk(0)->Equals(*array_of(arrow::utf8(), R"(["b", "a", null, "x", "z"])")));
}

// Prevents: rows written under the wrong column, or a null where the table promises none.
TEST(ParquetWriter, RefusesBatchesThatAreNotOfTheSchema) {
  const Schema schema = single(make_type(TypeId::kLong), true);
  std::string bytes;
  Context context;
  auto writer = *open_parquet_writer(make_memory_sink(bytes), "p", schema, {});
  const auto refuse = [&](const std::shared_ptr<arrow::RecordBatch>& batch, const char* why) {
    auto appended = writer->append(*batch, context);
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(appended.error().message, HasSubstr(why));
  };
  const auto ints = array_of(arrow::int32(), "[1]");
  const auto longs = array_of(arrow::int64(), "[1]");
  refuse(arrow::RecordBatch::Make(arrow::schema({arrow::field("c", arrow::int32())}), 1, {ints}), "expected c int64");
  refuse(arrow::RecordBatch::Make(arrow::schema({arrow::field("d", arrow::int64())}), 1, {longs}), "column 1 is d");
  refuse(batch_of(schema, {"[1, null]"}), "required column c has no value");
  refuse(arrow::RecordBatch::Make(arrow::schema({}), 1, arrow::ArrayVector{}), "0 columns");
  EXPECT_EQ(writer->rows(), 0);
}

// Prevents: pages of hundreds of megabytes where strings are long, which every reader must hold in memory whole.
TEST(ParquetWriter, PagesOfWideRowsStayNearTheLimit) {
  const Schema schema = single(make_type(TypeId::kString));
  arrow::StringBuilder builder;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(builder.Append(std::to_string(i) + std::string(20'000, static_cast<char>('a' + i % 26))).ok());
  const auto rows = arrow::RecordBatch::Make(to_arrow(schema), 200, {builder.Finish().ValueOrDie()});
  ParquetOptions options;
  options.page_bytes = 100'000;
  const auto file = open_parquet(write(schema, {rows}, options).bytes);
  auto pages = file->RowGroup(0)->GetColumnPageReader(0);
  int count = 0;
  while (const auto page = pages->NextPage()) {
    EXPECT_LT(page->size(), 500'000);
    ++count;
  }
  EXPECT_GE(count, 8);
}

/// Fails as a full disk does.
class FailingSink final : public ByteSink {
 public:
  explicit FailingSink(bool& finished) : finished_(finished) {}
  Result<void> write(std::span<const char>, Context&) override { return fail(ErrorCode::kUnavailable, "no space left on device"); }
  Result<void> finish(Context&) override {
    finished_ = true;
    return {};
  }

 private:
  bool& finished_;
};

// Prevents: a store's error losing its code on the way through Arrow, so that a full disk looks like bad input.
TEST(ParquetWriter, KeepsTheSinksError) {
  bool finished = false;
  const Schema schema = single(make_type(TypeId::kLong));
  Context context;
  auto writer = *open_parquet_writer(std::make_unique<FailingSink>(finished), "file:///t/x", schema, {});
  ASSERT_TRUE(writer->append(*batch_of(schema, {"[1]"}), context));
  const auto file = writer->finish({}, context);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(file.error().message, HasSubstr("file:///t/x"));
  EXPECT_THAT(file.error().message, HasSubstr("no space left"));
  EXPECT_FALSE(finished);
}

// Prevents: Arrow's destructors writing the footer of a file that was given up.
TEST(ParquetWriter, DroppedWriterWritesNothingMore) {
  const Schema schema = single(make_type(TypeId::kLong));
  std::string bytes;
  Context context;
  {
    auto writer = *open_parquet_writer(make_memory_sink(bytes), "p", schema, {});
    ASSERT_TRUE(writer->append(*random_longs(schema, 50'000), context));
  }
  EXPECT_EQ(bytes, "PAR1");
}

// Prevents: options that are read and then not used.
TEST(ParquetWriter, UsesCodecAndPageLimits) {
  const Schema schema = single(make_type(TypeId::kLong));
  for (const char* codec : {"zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"}) {
    ParquetOptions options;
    options.compression = codec;
    const auto rows = random_longs(schema, 100);
    EXPECT_TRUE(read_table(write(schema, {rows}, options).bytes)->column(0)->chunk(0)->Equals(*rows->column(0))) << codec;
  }
  ParquetOptions options;
  options.compression = "zip";
  std::string bytes;
  EXPECT_FALSE(open_parquet_writer(make_memory_sink(bytes), "p", schema, options));
  EXPECT_FALSE(open_parquet_writer(make_memory_sink(bytes), "p", Schema{}, {}));
}

}  // namespace
}  // namespace sluice
