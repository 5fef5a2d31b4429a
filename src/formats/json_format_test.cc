#include "formats/json_format.h"

#include <map>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/file.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Schema schema_of(std::vector<std::pair<std::string, std::string>> columns) {
  Schema schema;
  for (auto& [name, type] : columns) schema.fields.push_back({.name = name, .type = *parse_type(type)});
  assign_field_ids(schema.fields, 0);
  return schema;
}

/// Everything one reader gives.
struct Read {
  std::vector<std::vector<std::string>> rows;  ///< as Arrow prints scalars, `_rescued_data` last
  int64_t rows_rescued = 0;
  std::vector<BadRow> bad_rows;
  std::optional<Error> error;
  std::map<std::string, std::string> drift;
  int64_t blocks = 0;

  std::vector<std::string> column(size_t index) const {
    std::vector<std::string> values;
    for (const auto& row : rows) values.push_back(row.at(index));
    return values;
  }
};

Read read(std::string text, const ReadPlan& plan, ByteRange range = {}) {
  Read all;
  Context context;
  const auto blob = make_memory_blob(std::move(text));
  auto reader = json_format().open(*blob, range, plan, context);
  if (!reader) {
    all.error = reader.error();
    return all;
  }
  for (;;) {
    auto block = (*reader)->next(context);
    if (!block) all.error = block.error();
    if (!block || !*block) break;
    EXPECT_EQ((*block)->first_row, static_cast<int64_t>(all.rows.size()));
    ++all.blocks;
    const auto& batch = *(*block)->batch;
    EXPECT_TRUE(batch.ValidateFull().ok()) << batch.ValidateFull().ToString();
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      auto& values = all.rows.emplace_back();
      for (const auto& column : batch.columns()) values.push_back(column->IsNull(row) ? "null" : (*column->GetScalar(row))->ToString());
    }
    all.rows_rescued += (*block)->rows_rescued;
    for (auto& bad : (*block)->bad_rows) all.bad_rows.push_back(std::move(bad));
  }
  for (const auto& field : (*reader)->drift().columns) all.drift[field.name] = field.type ? to_text(*field.type) : "none";
  return all;
}

ReadPlan plan_of(std::vector<std::pair<std::string, std::string>> columns) {
  ReadPlan plan;
  plan.columns = schema_of(std::move(columns));
  plan.report_drift = true;
  return plan;
}

std::string message(const Read& all) { return all.error ? all.error->type + ": " + all.error->message : "no error"; }

// Prevents: wrong values or columns: order of keys, missing keys, nulls, escaped keys.
TEST(JsonFormat, FillsColumnsByName) {
  const auto all = read(R"({"id":1,"name":"a","ok":true}
{"ok":false,"id":-9223372036854775808,"name":null}
{"n\u0061me":"x\ny","id":9223372036854775807}
{}
)",
                        plan_of({{"id", "long"}, {"name", "string"}, {"ok", "boolean"}}));
  EXPECT_FALSE(all.error);
  EXPECT_THAT(all.column(0), ElementsAre("1", "-9223372036854775808", "9223372036854775807", "null"));
  EXPECT_THAT(all.column(1), ElementsAre("a", "null", "x\ny", "null"));
  EXPECT_THAT(all.column(2), ElementsAre("true", "false", "null", "null"));
  EXPECT_THAT(all.column(3), ElementsAre("null", "null", "null", "null"));
  EXPECT_EQ(all.rows_rescued, 0);
  EXPECT_THAT(all.drift, IsEmpty());
}

// Prevents: numbers that change on their way: to decimals and strings by way of a double, integers above 64 bits, -0.
TEST(JsonFormat, KeepsNumbersExactly) {
  const auto all = read(R"({"d":123456789012345678901234567890.12,"s":1.10,"f":0.1,"l":999999999999999999}
{"d":-0.01,"s":123456789012345678901234567890,"f":-0,"l":-999999999999999999}
{"d":1,"s":-0,"f":5,"l":1e3}
)",
                        plan_of({{"d", "decimal(38,2)"}, {"s", "string"}, {"f", "double"}, {"l", "long"}}));
  EXPECT_FALSE(all.error);
  EXPECT_THAT(all.column(0), ElementsAre("123456789012345678901234567890.12", "-0.01", "1.00"));
  EXPECT_THAT(all.column(1), ElementsAre("1.10", "123456789012345678901234567890", "-0"));
  EXPECT_THAT(all.column(2), ElementsAre("0.1", "-0", "5"));
  EXPECT_THAT(all.column(3), ElementsAre("999999999999999999", "-999999999999999999", "1000"));
  EXPECT_EQ(all.rows_rescued, 0);
}

// Prevents: values lost or bent because they do not fit their column; drift that does not say what the column would have to be.
TEST(JsonFormat, RescuesWhatDoesNotFit) {
  const auto all = read(R"({"i":5000000000,"l":1.5,"t":"yesterday","x":{"y":[1, 2]}}
{"i":"7","l":"a\"b","t":true,"z":null}
{"i":1,"l":99999999999999999999,"t":"2024-01-02T03:04:05Z","x":"\u0041"}
)",
                        plan_of({{"i", "int"}, {"l", "long"}, {"t", "timestamptz"}}));
  EXPECT_FALSE(all.error);
  EXPECT_THAT(all.column(0), ElementsAre("null", "null", "1"));
  EXPECT_THAT(all.column(1), ElementsAre("null", "null", "null"));
  EXPECT_THAT(all.column(2), ElementsAre("null", "null", HasSubstr("2024-01-02 03:04:05")));
  EXPECT_THAT(all.column(3), ElementsAre(R"({"i": 5000000000, "l": 1.5, "t": "yesterday", "x": {"y":[1, 2]}})",
                                         R"({"i": "7", "l": "a\"b", "t": true})", R"({"l": 99999999999999999999, "x": "\u0041"})"));
  EXPECT_EQ(all.rows_rescued, 3);
  EXPECT_THAT(all.drift, ElementsAre(std::pair("i", "string"), std::pair("l", "string"), std::pair("t", "string"),
                                     std::pair("x", "struct<y: list<long>>")));
}

// Prevents: a repeated key that overwrites a value silently, or shifts the column by a row.
TEST(JsonFormat, RescuesARepeatedKey) {
  const auto all =
      read("{\"a\":1,\"a\":2,\"s\":{\"b\":1,\"b\":3}}\n{\"a\":4,\"\\u0061\":null}\n", plan_of({{"a", "long"}, {"s", "struct<b: long>"}}));
  EXPECT_THAT(all.column(0), ElementsAre("1", "4"));
  EXPECT_THAT(all.column(2), ElementsAre(R"({"a": 2, "s.b": 3})", R"({"a": null})"));
  EXPECT_THAT(all.drift, IsEmpty());
}

// Prevents: nested values half filled, members lost, lists misaligned after a value that does not fit.
TEST(JsonFormat, FillsNestedColumns) {
  const auto all = read(R"({"s":{"a":1,"b":{"c":"x"}},"l":[1,2,null],"m":{"k":1,"j":null},"ls":[{"a":1},{"a":2}]}
{"s":{"a":"bad","b":{"c":"y"}},"l":[1,"bad"],"m":{"k":"bad"},"ls":[{"a":1},{"a":"bad"}]}
{"s":{"a":2,"u":7,"b":{"v":[1]}},"l":[],"m":{},"ls":[{"a":3},{"a":4,"w":5}]}
{"s":[1],"l":{"a":1},"m":[],"ls":3}
{"s":{"b":null},"l":[9],"m":{"k":1,"k":2},"ls":[null]}
)",
                        plan_of({{"s", "struct<a: long, b: struct<c: string>>"},
                                 {"l", "list<long>"},
                                 {"m", "map<string, long>"},
                                 {"ls", "list<struct<a: long>>"}}));
  EXPECT_FALSE(all.error) << message(all);
  ASSERT_EQ(all.rows.size(), 5U);
  EXPECT_THAT(all.rows[0][0], HasSubstr("a:int64 = 1"));
  EXPECT_THAT(all.rows[0][0], HasSubstr("c:string = x"));
  EXPECT_EQ(all.column(4)[0], "null");
  EXPECT_THAT(all.rows[1],
              ElementsAre("null", "null", "null", "null",
                          R"({"s": {"a":"bad","b":{"c":"y"}}, "l": [1,"bad"], "m": {"k":"bad"}, "ls": [{"a":1},{"a":"bad"}]})"));
  EXPECT_THAT(all.rows[2][0], HasSubstr("a:int64 = 2"));
  EXPECT_EQ(all.rows[2][4], R"({"s.u": 7, "s.b.v": [1], "ls[1].w": 5})");
  EXPECT_THAT(all.rows[3], ElementsAre("null", "null", "null", "null", R"({"s": [1], "l": {"a":1}, "m": [], "ls": 3})"));
  EXPECT_EQ(all.rows[4][4], R"({"m": {"k":1,"k":2}})");
  EXPECT_EQ(all.drift.at("s"), "struct<a: string, b: struct<c: string, v: list<long>>, u: long>");
}

// Prevents: a fixed schema that takes what breaks it, or a message that does not say where and why.
TEST(JsonFormat, RefusesWhatDoesNotFitAFixedSchema) {
  ReadPlan plan = plan_of({{"a", "long"}, {"s", "struct<b: long>"}});
  plan.rescue = false;
  plan.report_drift = false;
  EXPECT_EQ(message(read("{\"a\":1}\n\n {\"a\":\"x\"}\n", plan)),
            "SchemaMismatch: line 3: column \"a\" is long, the string \"x\" does not fit (byte 15)");
  EXPECT_EQ(message(read("{\"a\":1,\"n\":2}\n", plan)), "SchemaMismatch: line 1: column \"n\" is not in the schema (byte 11)");
  EXPECT_EQ(message(read("{\"s\":{\"c\":2}}\n", plan)), "SchemaMismatch: line 1: column \"s.c\" is not in the schema (byte 10)");
  EXPECT_EQ(message(read("{\"a\":1,\"a\":2}\n", plan)), "SchemaMismatch: line 1: column \"a\" comes twice in the row (byte 11)");
  EXPECT_EQ(message(read("{\"s\":{\"b\":1.5}}\n", plan)),
            "SchemaMismatch: line 1: column \"s\" is struct<b: long>, the object {\"b\":1.5} does not fit (byte 5)");
  const auto good = read("{\"a\":1,\"n\":null}\n", plan);
  EXPECT_FALSE(good.error);
  EXPECT_EQ(good.rows[0].size(), 2U);  // no _rescued_data
}

/// A row that is bad ends its file with this, and says how it would not.
std::string bad_row(const std::string& what) { return what + "; allow such rows with --on-bad-row=skip"; }

// Prevents: a required column filled with null, or the row half kept.
TEST(JsonFormat, RequiresRequiredColumns) {
  ReadPlan plan = plan_of({{"b", "long"}, {"a", "long"}});
  plan.columns.fields[1].required = true;
  EXPECT_EQ(message(read("{\"a\":1}\n{\"b\":1}\n", plan)), bad_row("SchemaMismatch: line 2: required column \"a\" has no value (byte 8)"));
  EXPECT_EQ(message(read("{\"a\":\"x\"}\n", plan)),
            bad_row("SchemaMismatch: line 1: required column \"a\" is long, the string \"x\" does not fit (byte 5)"));
  plan.bad_rows.action = BadRowAction::kSkip;
  const auto all = read("{\"a\":1}\n{\"b\":7,\"c\":1}\n{\"a\":3}\n", plan);
  EXPECT_THAT(all.column(0), ElementsAre("null", "null"));
  EXPECT_THAT(all.column(1), ElementsAre("1", "3"));
  EXPECT_EQ(all.rows_rescued, 0);
  EXPECT_EQ(all.bad_rows.size(), 1U);
}

// Prevents: a broken row that is loaded, skipped unasked, or reported at the wrong place.
TEST(JsonFormat, FailsAtTheFirstBadRow) {
  const ReadPlan plan = plan_of({{"a", "long"}});
  EXPECT_EQ(message(read("{\"a\":1}\n\r\n{\"a\":2 \"b\":1}\n", plan)), bad_row("ParseError: line 3: expected ',' or '}' (byte 17)"));
  EXPECT_EQ(message(read("{\"a\":1}\n[1]\n", plan)), bad_row("ParseError: line 2: a row must be an object, this is an array (byte 8)"));
  EXPECT_EQ(message(read("{\n\"a\":1,\n\"b\":\n}\n", plan)), bad_row("ParseError: line 4: expected a value (byte 14)"));
  EXPECT_EQ(message(read("[{\"a\":1},\n{\"a\":2}", plan)), bad_row("ParseError: line 2: the file ends inside an array (byte 17)"));
  EXPECT_EQ(message(read("{\"a\":\"\xC3(\"}\n", plan)), bad_row("ParseError: line 1: invalid UTF-8 (byte 6)"));
  EXPECT_EQ(message(read("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}\n", plan)),
            bad_row("TooLarge: line 1: nested deeper than 64 levels (byte 68)"));
  const auto all = read("{\"a\":1}\n{\"a\":\n", plan);
  EXPECT_EQ(all.error->line, 2);
  EXPECT_EQ(all.error->byte, 13);
  EXPECT_EQ(all.error->code, ErrorCode::kInvalidInput);
  EXPECT_EQ(message(read("{\"a\":1}\n{\"a\":2}\n{\"a\":\n", plan, {3, -1})),
            bad_row("ParseError: the text ends inside an object (byte 21)"));
}

// Prevents: bad rows that take good neighbours with them, or come without what the quarantine needs.
TEST(JsonFormat, SkipsBadRows) {
  ReadPlan plan = plan_of({{"a", "long"}});
  plan.bad_rows.action = BadRowAction::kSkip;
  const auto all = read("{\"a\":1}\n{\"a\":\r\n{\"a\":2}\nnull\n{\"a\":\"" + std::string(100'000, 'x') + "\n", plan);
  EXPECT_FALSE(all.error);
  EXPECT_THAT(all.column(0), ElementsAre("1", "2"));
  ASSERT_EQ(all.bad_rows.size(), 3U);
  EXPECT_EQ(all.bad_rows[0].byte, 8);
  EXPECT_EQ(all.bad_rows[0].line, 2);
  EXPECT_EQ(all.bad_rows[0].text, "{\"a\":");
  EXPECT_EQ(all.bad_rows[0].reason, "the text ends inside an object (byte 13)");
  EXPECT_EQ(all.bad_rows[1].line, 4);
  EXPECT_EQ(all.bad_rows[2].text.size(), 64U * 1024);
}

// Prevents: a limit on bad rows that does not limit, counts per block, or forbids what it allows.
TEST(JsonFormat, LimitsBadRows) {
  ReadPlan plan = plan_of({{"a", "long"}});
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.bad_rows.rows_max = 2;
  EXPECT_EQ(message(read("x\n{}\ny\n{}\n", plan)), "no error");
  EXPECT_EQ(message(read("x\n{}\ny\n{}\nz\n", plan)),
            "ParseError: line 5: expected a value (byte 10); with this one 3 bad rows, 2 are allowed");
  plan.bad_rows.rows_max.reset();
  plan.bad_rows.percent_max = 50;
  EXPECT_EQ(message(read("x\n{}\ny\n{}\n", plan)), "no error");
  EXPECT_EQ(message(read("{}\nx\n{}\ny\nz\n", plan)),
            "ParseError: line 2: expected a value (byte 3); 3 of 5 rows are bad, 50% are allowed");
  // Of a split nobody knows the file's rows.
  EXPECT_EQ(message(read("{}\nx\ny\nz\n{}\n", plan, {0, 5})), "no error");
}

// Prevents: blocks above their limit, bad rows lost that stand behind the last good row or alone.
TEST(JsonFormat, HandsOverBlocks) {
  ReadPlan plan = plan_of({{"a", "long"}});
  plan.block_rows_max = 2;
  plan.bad_rows.action = BadRowAction::kSkip;
  const auto all = read("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\nbad\n", plan);
  EXPECT_EQ(all.blocks, 3);
  EXPECT_THAT(all.column(0), ElementsAre("1", "2", "3", "4"));
  EXPECT_EQ(all.bad_rows.size(), 1U);
  EXPECT_EQ(read("", plan).blocks, 0);
}

// Prevents: rows lost, doubled or torn between the blocks of a large file and between its splits.
TEST(JsonFormat, SplitsOfALargeFileHaveEveryRowOnce) {
  std::string text;
  int64_t rows = 0;
  for (; text.size() < 70U << 20; ++rows) {
    text += fmt::format("{{\"a\":{},\"s\":\"{}\"}}\n", rows, std::string(static_cast<size_t>(rows % 977), 'x'));
  }
  Context context;
  const ReadPlan plan = plan_of({{"a", "long"}, {"s", "string"}});
  const auto blob = make_memory_blob(text);
  const auto splits = json_format().split(*blob, plan, context);
  ASSERT_TRUE(splits);
  EXPECT_EQ(splits->size(), 2U);
  int64_t next = 0, byte = 0;
  for (const ByteRange range : *splits) {
    EXPECT_EQ(range.offset, byte);
    byte += range.length;
    auto reader = json_format().open(*blob, range, plan, context);
    for (;;) {
      auto block = (*reader)->next(context);
      ASSERT_TRUE(block) << block.error().message;
      if (!*block) break;
      const auto column = std::static_pointer_cast<arrow::Int64Array>((*block)->batch->column(0));
      for (int64_t i = 0; i < column->length(); ++i) ASSERT_EQ(column->Value(i), next++);
    }
  }
  EXPECT_EQ(next, rows);
  EXPECT_EQ(byte, static_cast<int64_t>(text.size()));

  const auto array = make_memory_blob("[" + text);
  EXPECT_EQ(json_format().split(*array, plan, context)->size(), 1U);
  EXPECT_EQ(json_format().split(*make_memory_blob("{}"), plan, context)->size(), 1U);
}

std::string inferred(std::string text, int64_t sample_bytes = kMiB, InferOptions options = {}) {
  Context context;
  const auto blob = make_memory_blob(std::move(text));
  const auto result = json_format().infer(*blob, sample_bytes, Source{}, options, context);
  if (!result) return result.error().type + ": " + result.error().message;
  std::string out = fmt::format("{} rows:", result->rows);
  for (const auto& field : result->fields) out += fmt::format(" {} {},", field.name, field.type ? to_text(*field.type) : "none");
  return out;
}

// Prevents: types guessed from half a row, from broken rows, or not at all.
TEST(JsonFormat, InfersFromASample) {
  EXPECT_EQ(inferred(""), "0 rows:");
  EXPECT_EQ(inferred("{\"id\":1,\"v\":1,\"t\":\"2024-01-02T03:04:05Z\",\"n\":null}\n{\"v\":1.5,\"s\":{\"a\":[true]}}\n"),
            "2 rows: id long, v double, t timestamptz, n none, s struct<a: list<boolean>>,");
  EXPECT_EQ(inferred("[{\"a\":1},\n{\"a\":\"x\"}]"), "2 rows: a string,");
  EXPECT_EQ(inferred("{\"a\":1}\n{\"a\":\nbroken\n{\"b\":2}\n"), "2 rows: a long, b long,");
  EXPECT_EQ(inferred("{\"a\":1}\n{\"a\":\"x\"}\n", 12), "1 rows: a long,");
  EXPECT_EQ(inferred("{\"a\":1}\n", 3), "0 rows:");
  EXPECT_EQ(inferred("broken\n[1]\n"), "ParseError: line 1: expected a value (byte 0)");
  EXPECT_EQ(inferred("{\"a\":1,\"t\":\"2024-01-02\"}\n", kMiB, {.timestamps = false, .numbers_double = true}),
            "1 rows: a double, t string,");
}

}  // namespace
}  // namespace sluice
