#include "schema/arrow_schema.h"

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string id_of(const arrow::Field& field) {
  return field.metadata() ? field.metadata()->Get("PARQUET:field_id").ValueOr("none") : "none";
}

// Prevents: a data file whose columns carry no ids, so that readers match them by position or not at all.
TEST(ArrowSchema, PutsFieldIdsOnEveryNode) {
  std::vector<Field> fields = {{.name = "s", .type = *parse_type("struct<l: list<int>>")},
                               {.name = "m", .required = true, .type = *parse_type("map<string, date>")}};
  assign_field_ids(fields, 0);
  const auto schema = to_arrow(Schema{.fields = fields});
  EXPECT_EQ(id_of(*schema->field(0)), "1");
  const auto& list = schema->field(0)->type()->field(0);
  EXPECT_EQ(id_of(*list), "3");
  EXPECT_EQ(list->type()->field(0)->name(), "element");
  EXPECT_EQ(id_of(*list->type()->field(0)), "4");
  const auto& map = static_cast<const arrow::MapType&>(*schema->field(1)->type());
  EXPECT_FALSE(schema->field(1)->nullable());
  EXPECT_EQ(id_of(*map.key_field()), "5");
  EXPECT_EQ(id_of(*map.item_field()), "6");
  EXPECT_EQ(map.key_field()->name(), "key");
}

// Prevents: a type that changes when it goes to Arrow and back (ids included), as it does when our own files are read.
TEST(ArrowSchema, RoundTripsEveryType) {
  std::vector<Field> fields;
  for (const char* text : {"boolean", "int", "long", "float", "double", "decimal(9,2)", "date", "time", "timestamp", "timestamptz",
                           "string", "uuid", "fixed[3]", "binary", "struct<a: long, b: list<string>>", "map<string, struct<x: double>>"}) {
    fields.push_back({.name = text, .required = fields.size() % 2 == 0, .type = *parse_type(text)});
  }
  const int last = assign_field_ids(fields, 0);
  const auto back = from_arrow(*to_arrow(Schema{.fields = fields}));
  ASSERT_TRUE(back) << back.error().message;
  for (size_t i = 0; i < fields.size(); ++i) {
    EXPECT_EQ(to_text(*back->fields[i].type), fields[i].name);
    EXPECT_EQ(back->fields[i].id, fields[i].id);
    EXPECT_EQ(back->fields[i].required, fields[i].required);
  }
  EXPECT_EQ(back->highest_field_id(), last);
}

// Prevents: foreign Arrow types mapped to something too narrow for their values.
TEST(ArrowSchema, WidensForeignTypes) {
  const std::pair<std::shared_ptr<arrow::DataType>, const char*> cases[] = {
      {arrow::uint8(), "int"},
      {arrow::uint32(), "long"},
      {arrow::uint64(), "decimal(20,0)"},
      {arrow::large_utf8(), "string"},
      {arrow::dictionary(arrow::int8(), arrow::utf8()), "string"},
      {arrow::timestamp(arrow::TimeUnit::NANO, "Europe/Berlin"), "timestamptz"},
      {arrow::large_list(arrow::int16()), "list<int>"},
      {arrow::decimal256(20, 3), "decimal(20,3)"}};
  for (const auto& [type, text] : cases) EXPECT_EQ(to_text(**from_arrow(*type)), text);
  EXPECT_FALSE(from_arrow(*arrow::duration(arrow::TimeUnit::MICRO)));
  EXPECT_FALSE(from_arrow(*arrow::decimal256(40, 3)));
  EXPECT_FALSE(from_arrow(*arrow::struct_({arrow::field("n", arrow::null())})));
}

}  // namespace
}  // namespace sluice
