#include "schema/column_writer.h"

#include <arrow/array.h>
#include <arrow/pretty_print.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

Schema schema_of(std::vector<std::pair<std::string, std::string>> columns) {
  Schema schema;
  for (auto& [name, type] : columns) schema.fields.push_back({.name = name, .type = *parse_type(type)});
  assign_field_ids(schema.fields, 0);
  return schema;
}

/// One column as text, "a, null, b"; the batch must hold together.
std::string column_text(const arrow::RecordBatch& batch, int column) {
  const arrow::Status status = batch.ValidateFull();
  EXPECT_TRUE(status.ok()) << status.ToString();
  std::string text;
  for (int64_t i = 0; i < batch.num_rows(); ++i) {
    const auto scalar = batch.column(column)->GetScalar(i).ValueOrDie();
    text += (i > 0 ? ", " : "") + (scalar->is_valid ? scalar->ToString() : "null");
  }
  return text;
}

bool append(ColumnWriter& column, char how, std::string_view text) {
  switch (how) {
    case 't': return column.append_text(text);
    case 's': return column.append_json_string(text);
    case 'n': return column.append_number_text(text);
    case 'b': return column.append_bool(text == "true");
    default: return column.append_integer(*read_long(text), text);
  }
}

// Prevents: a value let into a column it does not fit exactly, or refused where it does (t: CSV text, s: JSON string, n: JSON number,
// i: JSON integer, b: JSON boolean).
TEST(ColumnWriter, TakesExactlyWhatFits) {
  struct Case {
    const char* type;
    char how;
    const char* text;
    const char* stored;  ///< nullptr: does not fit
  };
  const Case cases[] = {{"boolean", 'b', "true", "true"},
                        {"boolean", 't', "False", "false"},
                        {"boolean", 's', "true", nullptr},
                        {"boolean", 'i', "1", nullptr},
                        {"int", 'i', "2147483647", "2147483647"},
                        {"int", 'i', "2147483648", nullptr},
                        {"int", 'n', "-2147483649.0", nullptr},
                        {"int", 'n', "1e3", "1000"},
                        {"int", 'n', "1.5", nullptr},
                        {"int", 's', "1", nullptr},
                        {"int", 't', "1", "1"},
                        {"int", 'b', "true", nullptr},
                        {"long", 'i', "-9223372036854775808", "-9223372036854775808"},
                        {"long", 'n', "9223372036854775808", nullptr},
                        {"long", 'n', "9223372036854775807.0", "9223372036854775807"},
                        {"long", 't', "x", nullptr},
                        {"double", 'i', "9007199254740992", "9.007199254740992e+15"},
                        {"double", 'i', "9007199254740993", nullptr},
                        {"double", 'n', "0.5", "0.5"},
                        {"double", 's', "NaN", "nan"},
                        {"double", 's', "0.5", nullptr},
                        {"double", 't', "0.5", "0.5"},
                        {"double", 'n', "1e999", nullptr},
                        {"float", 'i', "16777217", nullptr},
                        {"float", 'n', "1.5", "1.5"},
                        {"float", 's', "-Infinity", "-inf"},
                        {"decimal(9,2)", 'i', "1234567", "1234567.00"},
                        {"decimal(9,2)", 'i', "12345678", nullptr},
                        {"decimal(9,2)", 'n', "-0.05", "-0.05"},
                        {"decimal(9,2)", 'n', "0.005", nullptr},
                        {"decimal(9,2)", 's', "12.50", "12.50"},
                        {"string", 'n', "1.50", "1.50"},
                        {"string", 'i', "7", "7"},
                        {"string", 'b', "true", "true"},
                        {"string", 's', "", ""},
                        {"string", 't', "é", "é"},
                        {"date", 's', "2024-02-29", "2024-02-29"},
                        {"date", 't', "2023-02-29", nullptr},
                        {"date", 'i', "1", nullptr},
                        {"time", 's', "10:00", "10:00:00.000000"},
                        {"timestamp", 's', "2024-01-01T10:00:00Z", nullptr},
                        {"timestamp", 't', "2024-01-01 10:00:00", "2024-01-01 10:00:00.000000"},
                        {"timestamptz", 's', "2024-01-01T10:00:00+01:00", "2024-01-01 09:00:00.000000Z"},
                        {"timestamptz", 's', "2024-01-01T10:00:00", nullptr},
                        {"uuid", 's', "nonsense", nullptr},
                        {"binary", 's', "YWI=", "ab"},
                        {"binary", 's', "AP8", nullptr},
                        {"fixed[2]", 't', "YWI=", "ab"},
                        {"fixed[3]", 't', "AP8=", nullptr},
                        {"list<int>", 't', "1", nullptr},
                        {"struct<a: int>", 's', "1", nullptr},
                        {"list<int>", 'b', "true", nullptr}};
  for (const Case& c : cases) {
    RowWriter rows(schema_of({{"c", c.type}}), false, 10);
    EXPECT_EQ(append(rows.column(0), c.how, c.text), c.stored != nullptr) << c.type << " " << c.how << " " << c.text;
    EXPECT_EQ(rows.is_set(0), c.stored != nullptr);
    EXPECT_EQ(rows.finish_row(), std::nullopt);
    EXPECT_EQ(column_text(*rows.flush(), 0), c.stored == nullptr ? "null" : c.stored) << c.type << " " << c.text;
  }
}

// Prevents: uuids stored in another byte order than other engines read.
TEST(ColumnWriter, StoresUuidsBigEndian) {
  RowWriter rows(schema_of({{"c", "uuid"}}), false, 10);
  ASSERT_TRUE(rows.column(0).append_json_string("f79c3e09-677c-4bbd-a479-3f349cb785e7"));
  rows.finish_row();
  const auto batch = rows.flush();
  EXPECT_TRUE(batch->ValidateFull().ok());
  const uint8_t* bytes = batch->column(0)->data()->buffers[1]->data();
  EXPECT_EQ(bytes[0], 0xF7);
  EXPECT_EQ(bytes[15], 0xE7);
}

// Prevents: rows whose columns have different lengths when keys are missing; null counts and bits off at byte borders.
TEST(RowWriter, PadsMissingColumnsWithNull) {
  RowWriter rows(schema_of({{"a", "long"}, {"b", "string"}, {"f", "boolean"}}), false, 100);
  for (int i = 0; i < 21; ++i) {
    if (i % 2 == 0) rows.column(0).append_integer(i, "");
    if (i % 3 == 0) rows.column(1).append_text(std::to_string(i));
    if (i % 4 != 0) rows.column(2).append_bool(i % 4 == 1);
    EXPECT_EQ(rows.finish_row(), std::nullopt);
  }
  const auto batch = rows.flush();
  ASSERT_EQ(batch->num_rows(), 21);
  EXPECT_EQ(batch->column(0)->null_count(), 10);
  for (int i = 0; i < 21; ++i) {
    const auto& longs = static_cast<const arrow::Int64Array&>(*batch->column(0));
    EXPECT_EQ(longs.IsNull(i), i % 2 != 0);
    if (i % 2 == 0) {
      EXPECT_EQ(longs.Value(i), i);
    }
    EXPECT_EQ(batch->column(1)->IsNull(i), i % 3 != 0);
    const auto& flags = static_cast<const arrow::BooleanArray&>(*batch->column(2));
    EXPECT_EQ(flags.IsNull(i), i % 4 == 0);
    if (i % 4 != 0) {
      EXPECT_EQ(flags.Value(i), i % 4 == 1);
    }
  }
  EXPECT_TRUE(batch->ValidateFull().ok());
}

// Prevents: a broken row leaving values behind in any kind of column, also half a nested one, and in `_rescued_data`.
TEST(RowWriter, RollsBackEverything) {
  RowWriter rows(schema_of({{"a", "long"}, {"s", "string"}, {"n", "struct<x: int, l: list<string>>"}, {"m", "map<string, int>"}}), true,
                 100);
  const auto fill = [&rows](const char* text) {
    rows.column(0).append_integer(1, "1");
    rows.column(1).append_text(text);
    ColumnWriter& nested = rows.column(2);
    ASSERT_TRUE(nested.begin_struct());
    nested.member(0).append_number_text("5");
    ASSERT_TRUE(nested.member(1).begin_list());
    nested.member(1).element().append_json_string(text);
    nested.member(1).element().append_null();
  };
  fill("one");
  EXPECT_TRUE(rows.column(2).member(1).end_list());
  EXPECT_TRUE(rows.column(2).end_struct());
  ASSERT_TRUE(rows.column(3).begin_map());
  rows.column(3).key().append_json_string("k");
  rows.column(3).value().append_number_text("9");
  EXPECT_TRUE(rows.column(3).end_map());
  EXPECT_EQ(rows.finish_row(), std::nullopt);

  fill("broken");
  ASSERT_TRUE(rows.column(3).begin_map());
  rows.column(3).key().append_json_string("half");
  rows.rescue().add_text("a", "gone");
  rows.rollback_row();

  rows.column(1).append_text("three");
  EXPECT_EQ(rows.finish_row(), std::nullopt);
  EXPECT_EQ(rows.rows_rescued(), 0);
  const auto batch = rows.flush();
  EXPECT_EQ(column_text(*batch, 0), "1, null");
  EXPECT_EQ(column_text(*batch, 1), "one, three");
  EXPECT_EQ(column_text(*batch, 4), "null, null");
  const auto& lists = static_cast<const arrow::StructArray&>(*batch->column(2));
  EXPECT_TRUE(lists.IsNull(1));
  EXPECT_EQ(static_cast<const arrow::ListArray&>(*lists.field(1)).values()->length(), 2);
  EXPECT_EQ(static_cast<const arrow::MapArray&>(*batch->column(3)).keys()->length(), 1);
}

// Prevents: elements of a list that was given up half way turning up in the next row's list.
TEST(ColumnWriter, GivesUpANestedValueHalfWay) {
  RowWriter rows(schema_of({{"l", "list<int>"}, {"s", "struct<a: int, b: int>"}}), true, 100);
  ASSERT_TRUE(rows.column(0).begin_list());
  rows.column(0).element().append_number_text("1");
  EXPECT_FALSE(rows.column(0).element().append_number_text("1.5"));
  rows.column(0).append_null();
  ASSERT_TRUE(rows.column(1).begin_struct());
  rows.column(1).member(1).append_number_text("7");
  EXPECT_TRUE(rows.column(1).is_member_set(1));
  EXPECT_FALSE(rows.column(1).is_member_set(0));
  rows.column(1).append_null();
  rows.rescue().add_json("l", "[1, 1.5]");
  EXPECT_EQ(rows.finish_row(), std::nullopt);
  ASSERT_TRUE(rows.column(0).begin_list());
  rows.column(0).element().append_number_text("2");
  EXPECT_TRUE(rows.column(0).end_list());
  EXPECT_EQ(rows.finish_row(), std::nullopt);
  const auto batch = rows.flush();
  EXPECT_EQ(column_text(*batch, 2), R"({"l": [1, 1.5]}, null)");
  const auto& list = static_cast<const arrow::ListArray&>(*batch->column(0));
  EXPECT_TRUE(list.IsNull(0));
  EXPECT_EQ(list.value_length(1), 1);
  EXPECT_EQ(static_cast<const arrow::Int32Array&>(*list.values()).Value(0), 2);
  EXPECT_EQ(batch->column(1)->null_count(), 2);
}

// Prevents: a null slipping into a required column, at the top or inside a nested one.
TEST(RowWriter, ReportsMissingRequiredValues) {
  Schema schema = schema_of({{"id", "long"}, {"s", "string"}});
  schema.fields[0].required = true;
  schema.fields.push_back({.name = "n", .type = make_struct({{.name = "x", .required = true, .type = make_type(TypeId::kInt)}})});
  schema.fields.push_back({.name = "l", .type = make_list(make_type(TypeId::kInt), true)});
  schema.fields.push_back({.name = "m", .type = make_map(make_type(TypeId::kString), make_type(TypeId::kInt), true)});
  RowWriter rows(schema, false, 100);
  rows.column(1).append_text("no id");
  EXPECT_EQ(rows.finish_row(), 0U);
  EXPECT_EQ(rows.rows(), 0);
  rows.column(0).append_integer(1, "1");
  ASSERT_TRUE(rows.column(2).begin_struct());
  EXPECT_FALSE(rows.column(2).end_struct());
  ASSERT_TRUE(rows.column(3).begin_list());
  rows.column(3).element().append_number_text("1");
  rows.column(3).element().append_null();
  EXPECT_FALSE(rows.column(3).end_list());
  ASSERT_TRUE(rows.column(4).begin_map());
  rows.column(4).key().append_json_string("k");
  rows.column(4).value().append_null();
  EXPECT_FALSE(rows.column(4).end_map());
  for (size_t i = 2; i < 5; ++i) EXPECT_FALSE(rows.is_set(i));
  EXPECT_EQ(rows.finish_row(), std::nullopt);
  const auto batch = rows.flush();
  EXPECT_EQ(column_text(*batch, 0), "1");
  EXPECT_EQ(batch->column(4)->null_count(), 1);
  // Parquet writers refuse nulls in a required member, though its parent is null.
  EXPECT_EQ(static_cast<const arrow::StructArray&>(*batch->column(2)).field(0)->null_count(), 0);
}

// Prevents: blocks that share memory or offsets with the block before, and batches that grow without bound on long strings.
TEST(RowWriter, StartsAnewAfterEachFlush) {
  RowWriter rows(schema_of({{"s", "string"}, {"l", "list<string>"}}), true, 1000);
  for (int block = 0; block < 3; ++block) {
    for (int i = 0; i < 2; ++i) {
      rows.column(0).append_text("row" + std::to_string(block * 2 + i));
      ASSERT_TRUE(rows.column(1).begin_list());
      rows.column(1).element().append_text("e");
      rows.column(1).end_list();
      if (i == 1) rows.rescue().add_text("x", "y");
      rows.finish_row();
    }
    EXPECT_EQ(rows.rows_rescued(), 1);
    const auto batch = rows.flush();
    EXPECT_EQ(column_text(*batch, 0), block == 0 ? "row0, row1" : block == 1 ? "row2, row3" : "row4, row5");
    EXPECT_EQ(column_text(*batch, 2), R"(null, {"x": "y"})");
    EXPECT_EQ(rows.rows(), 0);
  }
  EXPECT_EQ(rows.flush()->num_rows(), 0);
  EXPECT_FALSE(rows.full());
  const std::string mebibyte(kMiB, 'x');
  int64_t filled = 0;
  for (; !rows.full() && filled < 1000; ++filled) {
    ASSERT_TRUE(rows.column(1).begin_list());
    rows.column(1).element().append_text(mebibyte);
    rows.column(1).end_list();
    rows.finish_row();
  }
  EXPECT_EQ(filled, kBlockBytesSoftMax / kMiB);
}

// Prevents: a rescued row that is no JSON because of a quote, a control character or a second value.
TEST(RescueRow, IsValidJson) {
  RescueRow row;
  EXPECT_TRUE(row.empty());
  row.add_text("a\"b\\", "line\nbreak\t\x01 \"q\" é");
  EXPECT_EQ(row.text(), "{\"a\\\"b\\\\\": \"line\\nbreak\\t\\u0001 \\\"q\\\" é\"}");
  row.add_json("n", "{\"x\": [1, null]}");
  EXPECT_THAT(std::string(row.text()), testing::EndsWith(", \"n\": {\"x\": [1, null]}}"));
  row.clear();
  EXPECT_TRUE(row.empty());
  row.add_json("k", "1");
  EXPECT_EQ(row.text(), R"({"k": 1})");
}

// Prevents: values going into the wrong column when keys come in another order or are unknown.
TEST(NameIndex, FindsNamesInAnyOrder) {
  NameIndex names;
  for (const char* name : {"a", "b", "c", "b", ""}) names.add(name);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(names.find("a"), 0);
    EXPECT_EQ(names.find("b"), 1);
    EXPECT_EQ(names.find("c"), 2);
    EXPECT_EQ(names.find("b"), 1);
    EXPECT_EQ(names.find("x"), -1);
    EXPECT_EQ(names.find("c"), 2);
    EXPECT_EQ(names.find(""), 4);
    EXPECT_EQ(names.find("a"), 0);
  }
  EXPECT_EQ(NameIndex().find("a"), -1);
}

}  // namespace
}  // namespace sluice
