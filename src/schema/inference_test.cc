#include "schema/inference.h"

#include <gtest/gtest.h>

#include "schema/column_writer.h"

namespace sluice {
namespace {

std::string text_of(const TypePtr& type) { return type ? to_text(*type) : "none"; }

/// The type of a CSV column with these fields.
std::string csv_type(const std::vector<const char*>& fields, InferOptions options = {}) {
  ColumnGuess guess(options);
  for (const char* field : fields) guess.see_text(field);
  return text_of(guess.type());
}

// Prevents: columns typed by their first value; codes losing zeros; a type that refuses values it was inferred from.
TEST(Inference, FollowsTheLatticeForCsv) {
  const std::pair<std::vector<const char*>, const char*> cases[] = {{{}, "none"},
                                                                    {{"true", "FALSE"}, "boolean"},
                                                                    {{"true", "1"}, "string"},
                                                                    {{"1", "-2", "0"}, "long"},
                                                                    {{"1", "2.5"}, "double"},
                                                                    {{"2.5", "1"}, "double"},
                                                                    {{"1e3"}, "double"},
                                                                    {{"-.5"}, "double"},
                                                                    {{"007"}, "string"},
                                                                    {{"1", "007"}, "string"},
                                                                    {{"-01"}, "string"},
                                                                    {{"+49"}, "string"},
                                                                    {{"00.5"}, "string"},
                                                                    {{"9223372036854775807"}, "long"},
                                                                    {{"9223372036854775808"}, "decimal(38,0)"},
                                                                    {{"1", "9223372036854775808"}, "decimal(38,0)"},
                                                                    {{"99999999999999999999999999999999999999"}, "decimal(38,0)"},
                                                                    {{"100000000000000000000000000000000000000"}, "string"},
                                                                    {{"1.5", "9223372036854775808"}, "double"},
                                                                    {{"NaN"}, "string"},
                                                                    {{"NaN", "1.5"}, "double"},
                                                                    {{"1", "inf"}, "double"},
                                                                    {{"NaN", "x"}, "string"},
                                                                    {{"1", "x"}, "string"},
                                                                    {{"", "1"}, "string"},
                                                                    {{"2024-01-01"}, "date"},
                                                                    {{"2024-01-01T10:00:00"}, "timestamp"},
                                                                    {{"2024-01-01 10:00:00Z"}, "timestamptz"},
                                                                    {{"2024-01-01", "2024-01-01T10:00:00"}, "string"},
                                                                    {{"2024-01-01T10:00:00", "2024-01-01T10:00:00Z"}, "string"},
                                                                    {{"2024-01-01", "1"}, "string"},
                                                                    {{"2023-02-29"}, "string"},
                                                                    {{"10:00:00"}, "string"},
                                                                    {{"1e999"}, "string"},
                                                                    {{"-"}, "string"},
                                                                    {{"0x10"}, "string"},
                                                                    {{" 1"}, "string"}};
  for (const auto& [fields, type] : cases) EXPECT_EQ(csv_type(fields), type) << (fields.size() > 0 ? *fields.begin() : "nothing");
}

// Prevents: switches of inference that do nothing.
TEST(Inference, HonoursItsOptions) {
  EXPECT_EQ(csv_type({"2024-01-01"}, {.timestamps = false}), "string");
  EXPECT_EQ(csv_type({"2024-01-01T10:00:00Z"}, {.timestamps = false}), "string");
  EXPECT_EQ(csv_type({"1"}, {.numbers_double = true}), "double");
  ColumnGuess nested({.timestamps = false, .numbers_double = true});
  nested.see_struct().member("a").see_integer_text("1");
  nested.see_struct().member("b").see_list().see_string("2024-01-01");
  EXPECT_EQ(text_of(nested.type()), "struct<a: double, b: list<string>>");
}

// Prevents: JSON strings that look like numbers becoming numbers.
TEST(Inference, TakesJsonAtItsWord) {
  ColumnGuess text;
  text.see_string("17");
  EXPECT_EQ(text_of(text.type()), "string");
  ColumnGuess mixed;
  mixed.see_string("17");
  mixed.see_integer_text("17");
  EXPECT_EQ(text_of(mixed.type()), "string");
  ColumnGuess floats;
  floats.see_number_text("1.5");
  floats.see_string("NaN");
  floats.see_null();
  EXPECT_EQ(text_of(floats.type()), "double");
  ColumnGuess flag;
  flag.see_bool();
  flag.see_null();
  EXPECT_EQ(text_of(flag.type()), "boolean");
}

// Prevents: nested members seen only in later rows being left out; null-only ones getting a type.
TEST(Inference, MergesNestedValues) {
  ColumnGuess guess;
  guess.see_struct().member("a").see_integer_text("1");
  StructGuess& second = guess.see_struct();
  second.member("b").see_null();
  second.member("a").see_number_text("1.5");
  second.member("c").see_list();
  guess.see_struct().member("d").see_list().see_struct().member("x").see_bool();
  guess.see_struct().member("d").see_list().see_struct().member("y").see_string("t");
  EXPECT_EQ(text_of(guess.type()), "struct<a: double, d: list<struct<x: boolean, y: string>>>");
  ColumnGuess empty;
  empty.see_struct();
  empty.see_list();
  EXPECT_EQ(text_of(empty.type()), "none");
}

// Prevents: one stray object turning a column of numbers into something that holds neither.
TEST(Inference, KeepsTheShapeSeenMostOften) {
  ColumnGuess scalars;
  scalars.see_struct().member("a").see_integer_text("1");
  scalars.see_integer_text("1");
  scalars.see_integer_text("2");
  EXPECT_EQ(text_of(scalars.type()), "long");
  ColumnGuess tie;
  tie.see_list().see_integer_text("1");
  tie.see_string("x");
  EXPECT_EQ(text_of(tie.type()), "list<long>");
  ColumnGuess typed;
  typed.see_list();
  typed.see_list();
  typed.see_string("x");
  EXPECT_EQ(text_of(typed.type()), "string");
}

// Prevents: a type that depends on which file or thread came first.
TEST(Inference, MergesGuesses) {
  StructGuess a, b;
  a.member("id").see_integer_text("1");
  a.member("n").see_struct().member("x").see_bool();
  b.member("n").see_struct().member("y").see_bool();
  b.member("id").see_number_text("0.5");
  b.member("new").see_string("2024-01-01");
  b.member("void").see_null();
  a.merge(b);
  const auto fields = a.fields();
  ASSERT_EQ(fields.size(), 4U);
  EXPECT_EQ(text_of(fields[0].type), "double");
  EXPECT_EQ(text_of(fields[1].type), "struct<x: boolean, y: boolean>");
  EXPECT_EQ(fields[2].name, "new");
  EXPECT_EQ(text_of(fields[2].type), "date");
  EXPECT_EQ(fields[3].type, nullptr);
  EXPECT_FALSE(fields[0].required);
}

// Prevents: objects used as maps (a key per user) exhausting memory or making a table of a million columns.
TEST(Inference, LimitsTheMembersOfAStruct) {
  StructGuess guess;
  for (size_t i = 0; i < kStructMembersMax + 10; ++i) guess.member("k" + std::to_string(i)).see_bool();
  EXPECT_EQ(guess.fields().size(), kStructMembersMax);
  EXPECT_TRUE(guess.overflowed());
}

// Prevents: a decimal column that cannot be widened because its drift is called double.
TEST(Inference, CountsDigitsForDecimalColumns) {
  ColumnGuess guess({}, true);
  guess.see_number_text("12345.6");
  guess.see_integer_text("-1234567");
  guess.see_number_text("0.250");
  EXPECT_EQ(text_of(guess.type()), "decimal(9,2)");
  guess.see_number_text("1e3");
  EXPECT_EQ(text_of(guess.type()), "double");
  ColumnGuess zero({}, true);
  zero.see_integer_text("0");
  EXPECT_EQ(text_of(zero.type()), "decimal(1,0)");
}

// Prevents: inference proposing a column that then refuses the very values it was inferred from.
TEST(Inference, ProposesColumnsThatTakeEveryValueSeen) {
  const char* pool[] = {"1",
                        "-5",
                        "007",
                        "2.5",
                        "1e3",
                        "9223372036854775808",
                        "NaN",
                        "true",
                        "2024-01-01",
                        "2024-01-01T10:00:00",
                        "2024-01-01T10:00:00Z",
                        "+1",
                        "x",
                        "",
                        "-inf",
                        "+inf",
                        "+.5",
                        "-01.5",
                        ".5",
                        "1e999",
                        "0",
                        "-0",
                        "99999999999999999999999999999999999999"};
  for (const char* a : pool) {
    for (const char* b : pool) {
      ColumnGuess guess;
      guess.see_text(a);
      guess.see_text(b);
      RowWriter rows(Schema{.fields = {{.id = 1, .name = "c", .type = guess.type()}}}, false, 10);
      for (const char* text : {a, b}) {
        // Documented: integers that a double cannot hold exactly are rescued where fractions made the column double.
        const bool inexact = rows.column(0).type_id() == TypeId::kDouble && std::string_view(text).size() >= 19;
        // Readers keep codes out of such columns.
        EXPECT_FALSE(is_number(guess.type()->id) && is_code(text)) << a << " | " << b;
        EXPECT_TRUE(rows.column(0).append_text(text) || inexact) << a << " | " << b << " -> " << to_text(*guess.type());
        rows.finish_row();
      }
    }
  }
}

// Prevents: files' inferred columns merged to a type that does not hold both.
TEST(MergeTypes, FindsTheTypeOfBoth) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"long", "long", "long"},
      {"int", "long", "long"},
      {"long", "double", "double"},
      {"float", "double", "double"},
      {"int", "float", "double"},
      {"long", "decimal(38,0)", "decimal(38,0)"},
      {"decimal(9,2)", "decimal(5,4)", "decimal(11,4)"},
      {"decimal(38,0)", "decimal(38,38)", "string"},
      {"int", "decimal(5,2)", "decimal(12,2)"},
      {"decimal(5,2)", "double", "double"},
      {"boolean", "long", "string"},
      {"date", "timestamp", "string"},
      {"timestamp", "timestamptz", "string"},
      {"date", "date", "date"},
      {"list<int>", "list<double>", "list<double>"},
      {"list<int>", "long", "list<int>"},
      {"long", "list<int>", "long"},
      {"struct<a: int>", "struct<b: int, a: long>", "struct<a: long, b: int>"},
      {"map<string, int>", "map<string, double>", "map<string, double>"},
      {"struct<a: int>", "map<string, int>", "struct<a: int>"}};
  for (const auto& [a, b, merged] : cases) EXPECT_EQ(text_of(merge_types(*parse_type(a), *parse_type(b))), merged) << a << " " << b;
  EXPECT_EQ(text_of(merge_types(nullptr, *parse_type("int"))), "int");
  EXPECT_EQ(merge_types(nullptr, nullptr), nullptr);
}

}  // namespace
}  // namespace sluice
