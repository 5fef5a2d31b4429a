#include "schema/schema_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kNested = R"json({"type": "struct", "schema-id": 3, "identifier-field-ids": [1], "fields": [
  {"id": 1, "name": "id", "required": true, "type": "long", "doc": "order"},
  {"id": 2, "name": "price", "required": false, "type": "decimal(9, 2)"},
  {"id": 3, "name": "tags", "required": false,
   "type": {"type": "list", "element-id": 5, "element-required": true, "element": "string"}},
  {"id": 4, "name": "m", "required": false,
   "type": {"type": "map", "key-id": 6, "key": "string", "value-id": 7, "value-required": false,
            "value": {"type": "struct", "fields": [{"id": 8, "name": "x", "required": false, "type": "fixed[4]"}]}}}]})json";

// Prevents: ids, docs or requiredness of a foreign table lost when we write its metadata back.
TEST(SchemaJson, RoundTripsASchema) {
  const auto schema = schema_from_json(json::parse(kNested));
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_EQ(to_json(*schema), json::parse(kNested));
  EXPECT_EQ(schema->find(8)->name, "x");
}

// Prevents: tables of newer writers refused because of a key that means nothing to an append.
TEST(SchemaJson, PassesOverUnknownKeys) {
  const auto schema = schema_from_json(json::parse(
      R"({"type":"struct","fields":[{"id":1,"name":"a","required":false,"type":"int","initial-default":5,"write-default":6}],"new":1})"));
  ASSERT_TRUE(schema);
  EXPECT_EQ(schema->schema_id, 0);
  EXPECT_EQ(to_text(*schema->fields[0].type), "int");
}

// Prevents: a table with types we cannot write being written to; a damaged file crashing us.
TEST(SchemaJson, NamesTheFieldThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"fields":[{"id":1,"name":"v","required":false,"type":"variant"}]})", "field 'v'"},
      {R"({"fields":[{"id":"1","name":"v","required":false,"type":"int"}]})", "'id' is not an integer"},
      {R"({"fields":[{"id":1,"name":"v","type":"int"}]})", "'required' is missing"},
      {R"({"fields":[{"id":1,"name":"v","required":false}]})", "'type' is missing"},
      {R"({"fields":[{"id":1,"name":"v","required":false,"type":{"type":"list","element-id":2}}]})", "element-required"},
      {R"({"fields":{}})", "not an array"},
      {R"([])", "not an object"}};
  for (const auto& [text, message] : cases) {
    const auto schema = schema_from_json(json::parse(text));
    ASSERT_FALSE(schema) << text;
    EXPECT_EQ(schema.error().code, ErrorCode::kCorruption);
    EXPECT_THAT(schema.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace sluice
