#include "schema/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Prevents: a contract's columns, order, types or requiredness read differently from how they are written.
TEST(Contract, ReadsColumns) {
  const auto schema = parse_contract(
      "columns:\n"
      "  - {name: id, type: long, required: true, doc: order number}\n"
      "  - name: price\n"
      "    type: decimal(9, 2)\n"
      "  - {name: tags, type: \"map<string, list<int>>\"}\n",
      "c.yaml");
  ASSERT_TRUE(schema) << schema.error().message;
  ASSERT_EQ(schema->fields.size(), 3U);
  EXPECT_TRUE(schema->fields[0].required);
  EXPECT_EQ(schema->fields[0].doc, "order number");
  EXPECT_FALSE(schema->fields[1].required);
  EXPECT_EQ(to_text(*schema->fields[1].type), "decimal(9,2)");
  EXPECT_EQ(to_text(*schema->fields[2].type), "map<string, list<int>>");
  EXPECT_TRUE(parse_contract("fields: [{name: a, type: int}]", "c.yaml"));
}

// Prevents: a mistake in a contract that is passed over, or reported without its place.
TEST(Contract, NamesThePlaceOfAMistake) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"columns:\n  - {name: a, type: strong}\n", "c.yaml:2:21: ", "column 'a'"},
      {"columns:\n  - {name: a, typ: int}\n", "c.yaml:2:15: ", "unknown key 'typ'"},
      {"columns:\n  - {name: a, type: decimal(9,2)}\n", "c.yaml:2:", "needs quotes"},
      {"columns:\n  - {type: int}\n", "c.yaml:2:5: ", "needs a 'name'"},
      {"columns:\n  - {name: a}\n", "c.yaml:2:5: ", "needs a 'type'"},
      {"columns:\n  - {name: a, type: int}\n  - {name: A, type: int}\n", "c.yaml:3:12: ", "there already"},
      {"columns:\n  - {name: _source_file, type: string}\n", "c.yaml:2:12: ", "metadata column"},
      {"columns:\n  - {name: a, type: int, required: maybe}\n", "c.yaml:2:36: ", "true or false"},
      {"columns: []\n", "c.yaml:1:10: ", "not empty"},
      {"columns: [1]\n", "c.yaml:1:11: ", "is a map"},
      {"a: [\n", "c.yaml:", ""},
      {"- a\n", "c.yaml:1:1: ", "a contract is a map"},
      {"colums: []\n", "c.yaml:1:1: ", "unknown key 'colums'"},
      {"columns: [{name: a, type: int}]\nfields: []\n", "c.yaml:2:9: ", "another word"},
      {"", "c.yaml:", "a contract is a map"}};
  for (const auto& [yaml, place, what] : cases) {
    const auto schema = parse_contract(yaml, "c.yaml");
    ASSERT_FALSE(schema) << yaml;
    EXPECT_EQ(schema.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(schema.error().message, StartsWith(place)) << yaml;
    EXPECT_THAT(schema.error().message, HasSubstr(what)) << yaml;
  }
  EXPECT_THAT(load_contract("/nonexistent/c.yaml").error().message, HasSubstr("/nonexistent/c.yaml"));
  EXPECT_FALSE(load_contract("/"));
}

// Prevents: a file with other columns loaded as if it kept the contract, or one refused for the order of its columns.
TEST(CheckHeader, NamesMissingAndUnexpectedColumns) {
  const Schema contract = *parse_contract("columns: [{name: a, type: int, required: true}, {name: b, type: int}]", "c.yaml");
  EXPECT_EQ(check_header(contract, {"b", "a"}), std::nullopt);
  EXPECT_EQ(check_header(contract, {"a", "c"}), "missing columns: b; unexpected columns: c");
  EXPECT_EQ(check_header(contract, {"a"}, true), std::nullopt);
  EXPECT_EQ(check_header(contract, {"b"}, true), "missing columns: a");
  EXPECT_EQ(check_header(contract, {"a", "b", "a"}), "repeated columns: a");
  EXPECT_EQ(check_header(contract, {"A", "b"}), "missing columns: a; unexpected columns: A");
}

}  // namespace
}  // namespace sluice
