#include "schema/conform.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/arrow_schema.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using ArrayPtr = std::shared_ptr<arrow::Array>;

ArrayPtr array_of(const std::shared_ptr<arrow::DataType>& type, std::string_view json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

std::shared_ptr<arrow::RecordBatch> file_of(std::vector<std::pair<std::string, ArrayPtr>> columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays.at(0)->length(), arrays);
}

Schema table_with(std::vector<std::pair<std::string, std::string>> columns) {
  Schema schema;
  for (auto& [name, type] : columns) {
    const bool required = type.ends_with('!');
    schema.fields.push_back({.name = name, .required = required, .type = *parse_type(required ? type.substr(0, type.size() - 1) : type)});
  }
  assign_field_ids(schema.fields, 0);
  return schema;
}

/// One column as JSON values, "1, null".
std::string column_text(const arrow::RecordBatch& batch, const std::string& name) {
  const auto column = batch.GetColumnByName(name);
  std::string text;
  for (int64_t i = 0; i < column->length(); ++i) {
    if (i > 0) text += ", ";
    if (name == "_rescued_data") {
      text += column->IsNull(i) ? "null" : std::string(bytes_at(*column, i));
    } else {
      append_json_value(*column, i, text);
    }
  }
  return text;
}

Result<ConformedBatch> conform(const arrow::RecordBatch& file, const Schema& table, bool rescue = true) {
  TRY_ASSIGN(auto conformer, BatchConformer::bind(*file.schema(), table, rescue));
  TRY_ASSIGN(auto conformed, conformer.conform(file, 100));
  const auto status = conformed.batch->ValidateFull();
  EXPECT_TRUE(status.ok()) << status.ToString();
  return conformed;
}

// A file's columns come in any order and under any types: a value must land in its column exactly, or be rescued; never be changed.
TEST(BatchConformer, ConvertsWhatFitsExactly) {
  struct Case {
    std::shared_ptr<arrow::DataType> from;
    const char* values;
    const char* to;
    const char* stored;
    const char* rescued;
  };
  const auto us = arrow::TimeUnit::MICRO;
  const Case cases[] = {
      {arrow::int8(), "[-128, null]", "int", "-128, null", "null, null"},
      {arrow::uint32(), "[4294967295]", "long", "4294967295", "null"},
      {arrow::uint64(), "[18446744073709551615]", "decimal(20,0)", "18446744073709551615", "null"},
      {arrow::uint64(), "[7, 18446744073709551615]", "long", "7, null", R"(null, {"c": 18446744073709551615})"},
      {arrow::int64(), "[1, 2147483648]", "int", "1, null", R"(null, {"c": 2147483648})"},
      {arrow::int64(), "[9007199254740993, 3]", "double", "null, 3", R"({"c": 9007199254740993}, null)"},
      {arrow::float64(), "[0.5, 0.1]", "float", "0.5, null", R"(null, {"c": 0.1})"},
      {arrow::float32(), "[0.5]", "double", "0.5", "null"},
      {arrow::float64(), "[3.0, 3.5]", "long", "3, null", R"(null, {"c": 3.5})"},
      {arrow::decimal128(9, 2), R"(["1.20", "1.23"])", "decimal(5,1)", "1.2, null", R"(null, {"c": 1.23})"},
      {arrow::decimal256(40, 1), R"(["1.2"])", "decimal(5,1)", "1.2", "null"},
      {arrow::timestamp(arrow::TimeUnit::NANO), "[1500, 2000]", "timestamp", R"(null, "1970-01-01T00:00:00.000002")",
       R"({"c": "1970-01-01T00:00:00.000001500"}, null)"},
      {arrow::timestamp(arrow::TimeUnit::SECOND), "[-1]", "timestamp", R"("1969-12-31T23:59:59")", "null"},
      {arrow::timestamp(us, "Europe/Berlin"), "[0]", "timestamptz", R"("1970-01-01T00:00:00+00:00")", "null"},
      {arrow::timestamp(us), "[0]", "timestamptz", "null", R"({"c": "1970-01-01T00:00:00"})"},
      {arrow::date64(), "[-86400000]", "date", R"("1969-12-31")", "null"},
      {arrow::time32(arrow::TimeUnit::MILLI), "[1500]", "time", R"("00:00:01.500000")", "null"},
      {arrow::large_utf8(), R"(["x"])", "string", R"("x")", "null"},
      {arrow::utf8(), R"(["7"])", "long", "null", R"({"c": "7"})"},
      {arrow::utf8(), R"(["2024-01-01"])", "date", R"("2024-01-01")", "null"},
      {arrow::int64(), "[7]", "string", R"("7")", "null"},
      {arrow::boolean(), "[true]", "string", R"("true")", "null"},
      {arrow::fixed_size_binary(3), R"(["abc"])", "binary", R"("YWJj")", "null"},
      {arrow::binary(), R"(["abc", "ab"])", "fixed[3]", R"("YWJj", null)", R"(null, {"c": "YWI="})"},
      {arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["a", null, "a"])", "string", R"("a", null, "a")", "null, null, null"},
      {arrow::large_list(arrow::int32()), "[[1, 2], null, []]", "list<long>", "[1, 2], null, []", "null, null, null"},
      {arrow::list(arrow::int64()), "[[1], [4000000000]]", "list<int>", "[1], null", R"(null, {"c": [4000000000]})"},
      {arrow::map(arrow::utf8(), arrow::int32()), R"([[["a", 1]]])", "map<string, long>", R"({"a": 1})", "null"},
      {arrow::duration(us), "[5]", "long", "null", R"({"c": "5"})"},
  };
  for (const Case& one : cases) {
    const auto conformed = conform(*file_of({{"c", array_of(one.from, one.values)}}), table_with({{"c", one.to}}));
    const std::string name = one.from->ToString() + " -> " + one.to;
    ASSERT_TRUE(conformed) << name << conformed.error().message;
    EXPECT_EQ(column_text(*conformed->batch, "c"), one.stored) << name;
    EXPECT_EQ(column_text(*conformed->batch, "_rescued_data"), one.rescued) << name;
  }
}

// Columns that are the same already must pass without a copy, and still under the table's own types and names.
TEST(BatchConformer, PassesEqualColumnsOn) {
  const auto numbers = array_of(arrow::int64(), "[1, null, 3]");
  const auto lists = array_of(arrow::list(arrow::field("item", arrow::utf8())), R"([["a"], null, ["b", "c"]])");
  const Schema table = table_with({{"l", "list<string>"}, {"n", "long"}, {"missing", "double"}});
  const auto conformed = conform(*file_of({{"n", numbers}, {"l", lists}}), table).value();
  EXPECT_EQ(conformed.batch->GetColumnByName("n")->data()->buffers[1], numbers->data()->buffers[1]);
  EXPECT_TRUE(conformed.batch->GetColumnByName("l")->type()->Equals(*to_arrow(*table.fields[0].type)));
  EXPECT_EQ(column_text(*conformed.batch, "l"), R"(["a"], null, ["b", "c"])");
  EXPECT_EQ(column_text(*conformed.batch, "missing"), "null, null, null");
  EXPECT_EQ(conformed.batch->schema()->field_names(), (std::vector<std::string>{"l", "n", "missing", "_rescued_data"}));
}

// What the table has no place for is named and kept, however deep it lies; the rest of the value stays.
TEST(BatchConformer, RescuesMembersAndUnknownColumns) {
  const auto structs = arrow::struct_({arrow::field("x", arrow::int64()), arrow::field("y", arrow::utf8())});
  const auto file = file_of({{"s", array_of(structs, R"([{"x": 1, "y": "a"}, {"x": 5000000000, "y": null}, null])")},
                             {"l", array_of(arrow::list(structs), R"([[{"x": 1, "y": null}, {"x": 2, "y": "b"}], [], null])")},
                             {"new", array_of(arrow::int32(), "[null, 7, null]")}});
  const auto conformed = conform(*file, table_with({{"s", "struct<x: int>"}, {"l", "list<struct<x: long>>"}})).value();
  EXPECT_EQ(column_text(*conformed.batch, "s"), R"({"x": 1}, {"x": null}, null)");
  EXPECT_EQ(column_text(*conformed.batch, "l"), R"([{"x": 1}, {"x": 2}], [], null)");
  EXPECT_EQ(column_text(*conformed.batch, "_rescued_data"), R"({"s.y": "a", "l[1].y": "b"}, {"s.x": 5000000000, "new": 7}, null)");
  EXPECT_EQ(conformed.rows_rescued, 2);
}

// An evolving table must hear of new columns and members, and of the wider type that a value needs; and of nothing else.
TEST(BatchConformer, NotesDrift) {
  const auto file = file_of({{"a", array_of(arrow::int64(), "[5000000000]")},
                             {"b", array_of(arrow::int64(), "[5]")},
                             {"new", array_of(arrow::float64(), "[null]")},
                             {"none", array_of(arrow::null(), "[null]")}});
  auto conformer = BatchConformer::bind(*file->schema(), table_with({{"a", "int"}, {"b", "int"}}), true).value();
  ASSERT_TRUE(conformer.conform(*file, 0));
  std::vector<std::string> drift;
  for (const Field& field : conformer.drift()) drift.push_back(field.name + " " + to_text(*field.type));
  EXPECT_THAT(drift, ElementsAre("new double", "a long"));
}

// A fixed schema is law: the error must name the row of the file.
TEST(BatchConformer, RefusesWhereNothingIsRescued) {
  const auto unknown = conform(*file_of({{"x", array_of(arrow::int64(), "[1]")}}), table_with({{"a", "int"}}), false);
  EXPECT_EQ(unknown.error().type, "SchemaMismatch");
  EXPECT_THAT(unknown.error().message, HasSubstr("no column \"x\""));
  const auto misfit = conform(*file_of({{"a", array_of(arrow::int64(), "[1, 5000000000]")}}), table_with({{"a", "int"}}), false);
  EXPECT_EQ(misfit.error().type, "SchemaMismatch");
  EXPECT_THAT(misfit.error().message, HasSubstr("row 102: column \"a\": 5000000000 does not fit int"));
}

// A row without a value for a required column is no row of the table; its neighbours are.
TEST(BatchConformer, TakesMisfitRowsOut) {
  const auto file = file_of({{"a", array_of(arrow::int64(), "[1, null, 3, 4]")}, {"b", array_of(arrow::int64(), "[1, 2, 5000000000, 4]")}});
  const auto conformed = conform(*file, table_with({{"a", "long!"}, {"b", "int!"}})).value();
  EXPECT_EQ(column_text(*conformed.batch, "a"), "1, 4");
  EXPECT_EQ(column_text(*conformed.batch, "b"), "1, 4");
  ASSERT_EQ(conformed.misfits.size(), 2U);
  EXPECT_EQ(conformed.misfits[0].row, 1);
  EXPECT_THAT(conformed.misfits[0].reason, HasSubstr("\"a\" has no value"));
  EXPECT_EQ(conformed.misfits[0].json, R"({"a": null, "b": 2})");
  EXPECT_THAT(conformed.misfits[1].reason, HasSubstr("5000000000 does not fit int"));
  EXPECT_EQ(conformed.batch->column(0)->data()->buffers[0], nullptr);  // Parquet writers refuse a bitmap here

  const auto lacking = conform(*file, table_with({{"c", "long!"}}));
  EXPECT_EQ(lacking.error().type, "SchemaMismatch");
}

// Text that is no UTF-8 would break every reader of the table; also where two halves of a character lie in two values.
TEST(BatchConformer, TakesInvalidTextOut) {
  arrow::StringBuilder builder;
  for (const char* text : {"a", "\xc3", "\xa4", "\xc3\xa4"}) ASSERT_TRUE(builder.Append(text).ok());
  const auto conformed = conform(*file_of({{"t", *builder.Finish()}}), table_with({{"t", "string"}})).value();
  EXPECT_EQ(column_text(*conformed.batch, "t"), R"("a", "ä")");
  ASSERT_EQ(conformed.misfits.size(), 2U);
  EXPECT_THAT(conformed.misfits[0].reason, HasSubstr("invalid UTF-8"));
}

// A few kilobytes of run lengths or dictionary can stand for gigabytes of text: refused while it is written out, not when memory is gone.
TEST(BatchConformer, RefusesMoreUnplacedTextThanItsLimit) {
  constexpr int32_t kValues = 300;  // of 1 MiB each, all the same
  const auto text = arrow::StringArray(1, arrow::Buffer::FromVector(std::vector<int32_t>{0, static_cast<int32_t>(kMiB)}),
                                       arrow::Buffer::FromString(std::string(kMiB, 'x')));
  const auto codes = arrow::MakeArrayFromScalar(arrow::Int32Scalar(0), kValues).ValueOrDie();
  const auto values = arrow::DictionaryArray::FromArrays(codes, arrow::MakeArray(text.data())).ValueOrDie();
  const auto offsets = array_of(arrow::int32(), fmt::format("[0, {}]", kValues));
  const ArrayPtr list = arrow::ListArray::FromArrays(*offsets, *values).ValueOrDie();

  const auto refusal = [](const ArrayPtr& column, const char* name) {
    const auto conformed = conform(*file_of({{"a", column}}), table_with({{name, "long"}}));
    return conformed ? "" : fmt::format("{}: {}", conformed.error().type, conformed.error().message);
  };
  EXPECT_THAT(refusal(values, "a"), HasSubstr("TooLarge: row 356: "));    // values that do not fit
  EXPECT_THAT(refusal(list, "other"), HasSubstr("TooLarge: row 101: "));  // a value of an unknown column
}

// Batches are often slices of larger arrays: offsets must be honoured.
TEST(BatchConformer, TakesSlices) {
  const auto whole = file_of({{"t", array_of(arrow::utf8(), R"(["x", "y", "z"])")}, {"s", array_of(arrow::int32(), "[1, 2, 3]")}});
  const auto conformed = conform(*whole->Slice(1, 2), table_with({{"t", "string"}, {"s", "long"}})).value();
  EXPECT_EQ(column_text(*conformed.batch, "t"), R"("y", "z")");
  EXPECT_EQ(column_text(*conformed.batch, "s"), "2, 3");
}

}  // namespace
}  // namespace sluice
