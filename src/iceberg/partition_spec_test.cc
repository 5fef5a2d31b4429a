#include "iceberg/partition_spec.h"

#include <gmock/gmock.h>

namespace sluice {
namespace {

using testing::HasSubstr;

Schema example() {
  Schema schema;
  schema.fields = {{1, "id", true, make_type(TypeId::kLong)},
                   {2, "ts", false, make_type(TypeId::kTimestamptz)},
                   {3, "name", false, make_type(TypeId::kString)},
                   {4, "city", false, make_type(TypeId::kString)},
                   {5, "at", false, make_struct({{6, "day", false, make_type(TypeId::kDate)}})},
                   {7, "tags", false, make_list(make_type(TypeId::kString), false, 8)},
                   {9, "ts_hour", false, make_type(TypeId::kInt)}};
  return schema;
}

// Prevents: partition_by meaning something else than the same words in Spark SQL.
TEST(PartitionBy, ReadsWhatUsersWrite) {
  const auto check = [](const char* text, const char* column, const char* transform) {
    const auto by = parse_partition_by(text);
    ASSERT_TRUE(by) << by.error().message;
    EXPECT_EQ(by->column, column) << text;
    EXPECT_EQ(to_text(by->transform), transform) << text;
  };
  check("day(ts)", "ts", "day");
  check(" DAYS( ts ) ", "ts", "day");
  check("bucket(16, id)", "id", "bucket[16]");
  check("truncate(4,a.b)", "a.b", "truncate[4]");
  check("city", "city", "identity");
  check("identity(city)", "city", "identity");
}

// Prevents: a typing error creating a table with another layout than meant.
TEST(PartitionBy, RefusesWhatItDoesNotUnderstand) {
  for (const char* text : {"", "day(", "day()", "bucket(id)", "bucket(id, 4)", "bucket(0, id)", "bucket(4)", "week(ts)", "day(ts) x"}) {
    const auto by = parse_partition_by(text);
    ASSERT_FALSE(by) << text;
    EXPECT_EQ(by.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(by.error().message, HasSubstr(std::string("\"") + text + "\""));
  }
}

// Prevents: field names that other engines do not expect, and a nested source that is not found.
TEST(PartitionFields, AreNamedAsSparkDoes) {
  const auto fields = make_partition_fields({"day(ts)", "bucket(16, id)", "truncate(4, name)", "city", "month(at.day)"}, example());
  ASSERT_TRUE(fields) << fields.error().message;
  const std::vector<PartitionField> expected = {{2, 1000, "ts_day", "day"},
                                                {1, 1001, "id_bucket", "bucket[16]"},
                                                {3, 1002, "name_trunc", "truncate[4]"},
                                                {4, 1003, "city", "identity"},
                                                {6, 1004, "at.day_month", "month"}};
  EXPECT_EQ(*fields, expected);
}

// Prevents: a table that engines refuse to open (redundant or clashing fields) or that cannot be written.
TEST(PartitionFields, RefusesWhatNoTableMayHave) {
  const auto refused = [](std::vector<std::string> by, const char* why) {
    const auto fields = make_partition_fields(by, example());
    ASSERT_FALSE(fields) << why;
    EXPECT_THAT(fields.error().message, HasSubstr(why));
  };
  refused({"town"}, "no column town");
  refused({"hour(at.day)"}, "not defined for type date");
  refused({"tags"}, "not defined");
  refused({"tags.element"}, "no column");
  refused({"day(ts)", "month(ts)"}, "already partitioned");
  refused({"city", "city"}, "already partitioned");
  refused({"bucket(4, id)", "bucket(8, id)"}, "would be named id_bucket");
  refused({"hour(ts)"}, "as a column is");
}

// Prevents: path text that breaks out of its folder, or is longer than a file name may be.
TEST(PartitionPath, IsEncodedAndBounded) {
  const auto fields = bind_spec({0, *make_partition_fields({"city", "day(ts)"}, example())}, example());
  ASSERT_TRUE(fields);
  EXPECT_EQ(partition_path(*fields, {std::string("New York/a=1%ä*"), int32_t{0}}), "city=New+York%2Fa%3D1%25%C3%A4*/ts_day=1970-01-01");
  EXPECT_EQ(partition_path(*fields, {Literal(), Literal()}), "city=null/ts_day=null");
  const std::string path = partition_path(*fields, {std::string(5000, '/'), Literal()});
  EXPECT_LE(path.size(), 200u);
  EXPECT_THAT(path, HasSubstr("%2F/ts_day"));
}

// Prevents: writing under a spec whose column is gone.
TEST(BindSpec, NamesTheMissingColumnAndLetsVoidBe) {
  const auto missing = bind_spec({0, {{77, 1000, "x", "identity"}}}, example());
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("id 77"));
  EXPECT_TRUE(bind_spec({0, {{77, 1000, "x", "void"}}}, example()));
  EXPECT_FALSE(bind_spec({0, {{8, 1000, "x", "identity"}}}, example())) << "an element of a list has no single value";
}

}  // namespace
}  // namespace sluice
