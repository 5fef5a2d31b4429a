#include "iceberg/partition_keys.h"

#include <gmock/gmock.h>

#include <arrow/record_batch.h>

#include "parquet/test_tables.h"

namespace sluice {
namespace {

using testing::ElementsAre;

struct Column {
  TypePtr type;
  const char* json;
};

std::vector<Column> columns() {
  return {{make_type(TypeId::kBoolean), "[true, false, null, true]"},
          {make_type(TypeId::kInt), "[5, -2147483648, null, 5]"},
          {make_type(TypeId::kLong), "[34, -1, null, 34]"},
          {make_type(TypeId::kFloat), "[NaN, 1.5, null, NaN]"},
          {make_type(TypeId::kDouble), "[NaN, -0.0, null, NaN]"},
          {make_decimal(30, 2), R"(["14.20", "-0.01", null, "14.20"])"},
          {make_type(TypeId::kDate), "[17486, -1, null, 17486]"},
          {make_type(TypeId::kTime), "[81068000000, 0, null, 81068000000]"},
          {make_type(TypeId::kTimestamp), "[1510871468000000, -1, null, 1510871468000000]"},
          {make_type(TypeId::kTimestamptz), "[1510871468000000, -1, null, 1510871468000000]"},
          {make_type(TypeId::kString), R"(["iceberg", "äöü", null, "iceberg"])"},
          {make_type(TypeId::kUuid), R"(["0123456789abcdef", "fedcba9876543210", null, "0123456789abcdef"])"},
          {make_fixed(2), R"(["ab", "cd", null, "ab"])"},
          {make_type(TypeId::kBinary), R"(["abc", "", null, "abc"])"}};
}

// Prevents: the fast way over arrays giving other partitions than the transform of one value, for any type and transform.
TEST(TransformColumn, AgreesWithTheTransformOfEachValue) {
  int checked = 0;
  for (const Column& column : columns()) {
    for (const char* text : {"identity", "bucket[7]", "truncate[3]", "year", "month", "day", "hour", "void"}) {
      const Transform transform = *parse_transform(text);
      if (!result_type(transform, column.type)) continue;
      const auto array = array_of(to_arrow(*column.type), column.json);
      for (const auto& rows : {array, array->Slice(1)}) {
        const KeyColumn keys = transform_column(transform, *column.type, *rows);
        ASSERT_EQ(std::ssize(keys.codes), rows->length());
        for (int64_t i = 0; i < rows->length(); ++i) {
          const Literal expected = apply(transform, *column.type, literal_at(*rows, *column.type, i));
          EXPECT_EQ(to_human(transform, *column.type, keys.values[keys.codes[i]]), to_human(transform, *column.type, expected))
              << text << " " << to_text(*column.type) << " row " << i;
          EXPECT_EQ(keys.values[keys.codes[i]].index(), expected.index());
        }
      }
      const KeyColumn keys = transform_column(transform, *column.type, *array);
      EXPECT_EQ(keys.codes[0], keys.codes[3]) << "equal values, NaN too, are one partition: " << text << " " << to_text(*column.type);
      ++checked;
    }
  }
  EXPECT_EQ(checked, 55);
}

// Prevents: dictionary columns partitioned by their codes, or null in two partitions (a null word and a null code).
TEST(TransformColumn, LooksThroughDictionaries) {
  const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const auto array = arrow::json::DictArrayFromJSONString(type, "[2, 0, null, 1, 3]", R"(["ab", "ac", null, "b"])").ValueOrDie();
  const KeyColumn keys = transform_column(*parse_transform("truncate[1]"), *make_type(TypeId::kString), *array);
  EXPECT_EQ(keys.codes[0], keys.codes[2]);
  EXPECT_TRUE(is_null(keys.values[keys.codes[0]]));
  EXPECT_EQ(keys.codes[1], keys.codes[3]);
  EXPECT_EQ(keys.values[keys.codes[1]], Literal(std::string("a")));
  EXPECT_EQ(keys.values[keys.codes[4]], Literal(std::string("b")));
}

// Prevents: fields combined wrongly, and members of a null struct taken for values.
TEST(PartitionKeys, CombinesFieldsAndSeesNullParents) {
  Schema schema;
  schema.fields = {{1, "s", false, make_struct({{2, "a", false, make_type(TypeId::kInt)}})}, {3, "b", false, make_type(TypeId::kString)}};
  const auto type = to_arrow(*schema.fields[0].type);
  const auto valid = arrow::Buffer::FromString(std::string(1, '\x0D'));
  const auto rows = std::make_shared<arrow::StructArray>(type, 4, arrow::ArrayVector{array_of(arrow::int32(), "[1, 9, 1, 1]")}, valid, 1);
  const auto batch = arrow::RecordBatch::Make(to_arrow(schema), 4, {rows, array_of(arrow::utf8(), R"(["x", "x", "y", "x"])")});
  const auto fields = bind_spec({0, *make_partition_fields({"s.a", "b"}, schema)}, schema);
  const PartitionKeys keys = partition_keys(*fields, schema, *batch);
  EXPECT_THAT(keys.codes, ElementsAre(0, 1, 2, 0));
  ASSERT_EQ(keys.tuples.size(), 3u);
  EXPECT_THAT(keys.tuples[0], ElementsAre(Literal(int32_t{1}), Literal(std::string("x"))));
  EXPECT_THAT(keys.tuples[1], ElementsAre(Literal(), Literal(std::string("x"))));
  EXPECT_THAT(keys.tuples[2], ElementsAre(Literal(int32_t{1}), Literal(std::string("y"))));
  EXPECT_THAT(partition_keys({}, schema, *batch).codes, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace sluice
