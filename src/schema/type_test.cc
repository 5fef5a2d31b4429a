#include "schema/type.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;

// Prevents: a type that is written to a contract, a report or a metadata file and does not come back the same.
TEST(TypeText, RoundTripsEveryType) {
  for (const char* text : {"boolean",
                           "int",
                           "long",
                           "float",
                           "double",
                           "decimal(9,2)",
                           "decimal(38,38)",
                           "date",
                           "time",
                           "timestamp",
                           "timestamptz",
                           "string",
                           "uuid",
                           "fixed[16]",
                           "binary",
                           "struct<a: long, b: list<string>>",
                           "map<string, struct<x: double>>",
                           "list<list<int>>",
                           "struct<>",
                           "struct<`a:b`: long, `tick``s`: int, `with space`: date>"}) {
    const auto type = parse_type(text);
    ASSERT_TRUE(type) << text << ": " << type.error().message;
    EXPECT_EQ(to_text(**type), text);
  }
}

// Prevents: SQL spellings of types being refused in contracts, or read as another type.
TEST(TypeText, ReadsAliases) {
  const std::pair<const char*, const char*> cases[] = {{"INTEGER", "int"},
                                                       {"bigint", "long"},
                                                       {"varchar(20)", "string"},
                                                       {"text", "string"},
                                                       {" bool ", "boolean"},
                                                       {"timestamp  with time zone", "timestamptz"},
                                                       {"numeric(5)", "decimal(5,0)"},
                                                       {"decimal( 9 , 2 )", "decimal(9,2)"},
                                                       {"array<int>", "list<int>"},
                                                       {"struct<a:int,b:array<date>>", "struct<a: int, b: list<date>>"},
                                                       {"fixed(3)", "fixed[3]"}};
  for (const auto& [alias, text] : cases) {
    const auto type = parse_type(alias);
    ASSERT_TRUE(type) << alias << ": " << type.error().message;
    EXPECT_EQ(to_text(**type), text);
  }
}

// Prevents: half a type being taken for a whole one, limits not kept, deep nesting exhausting the stack.
TEST(TypeText, RefusesWhatIsNoType) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "list<";
  for (const std::string& text :
       {std::string(""), std::string("strin"), std::string("decimal"), std::string("decimal(39,2)"), std::string("decimal(3,4)"),
        std::string("decimal(0,0)"), std::string("fixed[0]"), std::string("list<int"), std::string("list<>"), std::string("map<int>"),
        std::string("struct<a>"), std::string("struct<a: int, a: long>"), std::string("long x"), std::string("struct<`a: int>"), deep}) {
    EXPECT_FALSE(parse_type(text)) << text.substr(0, 40);
  }
  EXPECT_THAT(parse_type("list<strong>").error().message, HasSubstr("character 6"));
}

// Prevents: tables that readers cannot open: a list or a map is two levels of a Parquet schema.
TEST(TypeText, CountsTwoLevelsForListsAndMaps) {
  const auto nested = [](std::string_view open, std::string_view close, int count) {
    std::string text = "int";
    for (int i = 0; i < count; ++i) text = fmt::format("{}{}{}", open, text, close);
    return text;
  };
  struct Case {
    std::string_view open, close;
    int count_max, depth;
  };
  for (const Case& c : {Case{"list<", ">", 23, 47}, Case{"map<int, ", ">", 23, 47}, Case{"struct<a: ", ">", 47, 48}}) {
    const auto type = parse_type(nested(c.open, c.close, c.count_max));
    ASSERT_TRUE(type) << c.open;
    EXPECT_EQ(type_depth(**type), c.depth) << c.open;
    EXPECT_FALSE(parse_type(nested(c.open, c.close, c.count_max + 1))) << c.open;
  }
}

// Prevents: ids that differ from those other writers give, so that a fresh table's files would not match its metadata.
TEST(FieldIds, TopLevelComesFirstThenEachNestedLevel) {
  std::vector<Field> fields = {{.name = "a", .type = *parse_type("struct<x: int, y: list<struct<z: int>>>")},
                               {.name = "b", .type = *parse_type("map<string, list<long>>")},
                               {.name = "c", .type = make_type(TypeId::kLong)}};
  EXPECT_EQ(assign_field_ids(fields, 0), 10);
  const Schema schema = {.fields = fields};
  EXPECT_EQ(fields[2].id, 3);
  EXPECT_EQ(schema.find(4)->name, "x");
  EXPECT_EQ(schema.find(5)->name, "y");
  EXPECT_EQ(schema.find(6)->name, "element");
  EXPECT_EQ(schema.find(7)->name, "z");
  EXPECT_EQ(schema.find(8)->name, "key");
  EXPECT_EQ(schema.find(9)->name, "value");
  EXPECT_EQ(schema.find(10)->type->id, TypeId::kLong);
  EXPECT_EQ(schema.highest_field_id(), 10);
}

// Prevents: an evolved table whose old columns change their ids, or whose new nested member stays without one.
TEST(FieldIds, KeepsThoseThatAreThere) {
  std::vector<Field> fields = {
      {.id = 1,
       .name = "a",
       .type = make_struct({{.id = 2, .name = "x", .type = make_type(TypeId::kInt)}, {.name = "new", .type = make_type(TypeId::kInt)}})}};
  EXPECT_EQ(assign_field_ids(fields, 9), 10);
  EXPECT_EQ(fields[0].id, 1);
  EXPECT_EQ(fields[0].type->fields[0].id, 2);
  EXPECT_EQ(fields[0].type->fields[1].id, 10);
}

// Prevents: a column found by a name that only resembles it.
TEST(SchemaFind, ComparesNamesExactly) {
  const Schema schema = {.fields = {{.id = 1, .name = "City", .type = make_type(TypeId::kString)}}};
  EXPECT_NE(schema.find("City"), nullptr);
  EXPECT_EQ(schema.find("city"), nullptr);
  EXPECT_EQ(schema.find(2), nullptr);
}

// Prevents: types that differ in a parameter or deep inside being taken for the same.
TEST(SameType, LooksAtParametersAndMembersNotAtIds) {
  EXPECT_FALSE(same_type(*make_decimal(9, 2), *make_decimal(9, 3)));
  EXPECT_FALSE(same_type(*make_fixed(2), *make_fixed(3)));
  EXPECT_FALSE(same_type(**parse_type("struct<a: list<int>>"), **parse_type("struct<a: list<long>>")));
  EXPECT_FALSE(same_type(**parse_type("struct<a: int>"), **parse_type("struct<a: int, b: int>")));
  EXPECT_TRUE(same_type(*make_list(make_type(TypeId::kInt), true, 7), **parse_type("list<int>")));
}

}  // namespace
}  // namespace sluice
