#include "iceberg/transform.h"

#include <gmock/gmock.h>

#include "schema/scalar_text.h"

namespace sluice {
namespace {

Literal value_of(const TypePtr& type, const char* text) {
  const auto value = read_literal(*type, text);
  EXPECT_TRUE(value) << text;
  return *value;
}

int32_t hash_of(const TypePtr& type, const Literal& value) { return static_cast<int32_t>(bucket_hash(*type, value)); }

// Prevents: rows in another bucket than every other writer and reader puts them; the values are the specification's (Appendix B).
TEST(BucketHash, AgreesWithTheSpecification) {
  EXPECT_EQ(hash_of(make_type(TypeId::kInt), int32_t{34}), 2017239379);
  EXPECT_EQ(hash_of(make_type(TypeId::kLong), int64_t{34}), 2017239379);
  const auto decimal = make_decimal(9, 2);
  EXPECT_EQ(hash_of(decimal, value_of(decimal, "14.20")), -500754589);
  for (const auto& [id, text, hash] :
       std::vector<std::tuple<TypeId, const char*, int32_t>>{{TypeId::kDate, "2017-11-16", -653330422},
                                                             {TypeId::kTime, "22:31:08", -662762989},
                                                             {TypeId::kTimestamp, "2017-11-16T22:31:08", -2047944441},
                                                             {TypeId::kTimestamptz, "2017-11-16T14:31:08-08:00", -2047944441},
                                                             {TypeId::kTimestamp, "2017-11-16T22:31:08.000001", -1207196810},
                                                             {TypeId::kString, "iceberg", 1210000089},
                                                             {TypeId::kUuid, "f79c3e09-677c-4bbd-a479-3f349cb785e7", 1488055340}}) {
    EXPECT_EQ(hash_of(make_type(id), value_of(make_type(id), text)), hash) << text;
  }
  EXPECT_EQ(hash_of(make_type(TypeId::kBinary), std::string("\x00\x01\x02\x03", 4)), -188683207);
  EXPECT_EQ(hash_of(make_fixed(4), std::string("\x00\x01\x02\x03", 4)), -188683207);
}

Literal transformed(const char* transform, const TypePtr& type, const char* text) {
  return apply(*parse_transform(transform), *type, value_of(type, text));
}

// Prevents: rounding towards zero, which puts rows before 1970 (or below zero) into the partition after theirs.
TEST(Transform, RoundsDown) {
  const auto timestamp = make_type(TypeId::kTimestamp), date = make_type(TypeId::kDate);
  const auto is = [](int32_t value) { return Literal(value); };
  EXPECT_EQ(transformed("year", timestamp, "1969-12-31T23:59:59.999999"), is(-1));
  EXPECT_EQ(transformed("month", timestamp, "1969-12-31T23:59:59.999999"), is(-1));
  EXPECT_EQ(transformed("day", timestamp, "1969-12-31T23:59:59.999999"), is(-1));
  EXPECT_EQ(transformed("hour", timestamp, "1969-12-31T23:59:59.999999"), is(-1));
  EXPECT_EQ(transformed("hour", timestamp, "1969-12-31T23:00:00"), is(-1));
  EXPECT_EQ(transformed("year", date, "1969-01-01"), is(-1));
  EXPECT_EQ(transformed("month", date, "1968-12-01"), is(-13));
  EXPECT_EQ(transformed("day", date, "1969-12-31"), is(-1));
  EXPECT_EQ(transformed("month", timestamp, "2017-11-16T22:31:08"), is(574));
  EXPECT_EQ(transformed("hour", timestamp, "2017-11-16T22:31:08"), is(419686));
  EXPECT_EQ(transformed("truncate[10]", make_type(TypeId::kInt), "-1"), is(-10));
  EXPECT_EQ(transformed("truncate[10]", make_type(TypeId::kInt), "-10"), is(-10));
  EXPECT_EQ(transformed("truncate[10]", make_type(TypeId::kLong), "19"), Literal(int64_t{10}));
  const auto decimal = make_decimal(9, 2);
  EXPECT_EQ(transformed("truncate[50]", decimal, "10.65"), value_of(decimal, "10.50"));
  EXPECT_EQ(transformed("truncate[50]", decimal, "-0.01"), value_of(decimal, "-0.50"));
}

// Prevents: cutting text inside a character, and bytes by characters.
TEST(Transform, TruncatesTextByCodePoints) {
  EXPECT_EQ(transformed("truncate[3]", make_type(TypeId::kString), "äöüß"), Literal(std::string("äöü")));
  EXPECT_EQ(transformed("truncate[3]", make_type(TypeId::kString), "ab"), Literal(std::string("ab")));
  EXPECT_EQ(apply(*parse_transform("truncate[2]"), *make_type(TypeId::kBinary), std::string("abc")), Literal(std::string("ab")));
}

// Prevents: null becoming bucket 0 or 1970 (readers then prune the rows away).
TEST(Transform, NullStaysNull) {
  for (const char* text : {"identity", "bucket[4]", "truncate[4]", "void"}) {
    EXPECT_TRUE(is_null(apply(*parse_transform(text), *make_type(TypeId::kLong), {}))) << text;
  }
  EXPECT_TRUE(is_null(apply(*parse_transform("void"), *make_type(TypeId::kLong), int64_t{1})));
}

// Prevents: writing under a transform that we read wrongly.
TEST(Transform, TextGoesBothWaysAndUnknownOnesAreRefused) {
  for (const char* text : {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void"}) {
    const auto transform = parse_transform(text);
    ASSERT_TRUE(transform) << text;
    EXPECT_EQ(to_text(*transform), text);
  }
  for (const char* text :
       {"", "bucket", "bucket[]", "bucket[0]", "bucket[-1]", "bucket[4", "bucket[4]x", "truncate[x]", "zorder", "day[1]", "Day"}) {
    EXPECT_FALSE(parse_transform(text)) << text;
  }
}

// Prevents: partition values of a type that the manifest does not declare.
TEST(Transform, ResultTypes) {
  const auto type_text = [](const char* transform, TypePtr source) {
    const auto type = result_type(*parse_transform(transform), source);
    return type ? to_text(**type) : type.error().message;
  };
  EXPECT_EQ(type_text("day", make_type(TypeId::kTimestamptz)), "date");
  EXPECT_EQ(type_text("year", make_type(TypeId::kDate)), "int");
  EXPECT_EQ(type_text("bucket[4]", make_type(TypeId::kUuid)), "int");
  EXPECT_EQ(type_text("truncate[4]", make_decimal(9, 2)), "decimal(9,2)");
  EXPECT_EQ(type_text("identity", make_type(TypeId::kDouble)), "double");
  EXPECT_EQ(type_text("void", make_type(TypeId::kString)), "string");
  for (const auto& [transform, source] : std::vector<std::pair<const char*, TypePtr>>{{"hour", make_type(TypeId::kDate)},
                                                                                      {"bucket[4]", make_type(TypeId::kDouble)},
                                                                                      {"truncate[4]", make_type(TypeId::kUuid)},
                                                                                      {"day", make_type(TypeId::kString)},
                                                                                      {"identity", make_list(make_type(TypeId::kInt))}}) {
    EXPECT_THAT(type_text(transform, source), testing::HasSubstr("is not defined")) << transform;
  }
}

// Prevents: folder names that differ from those of Spark for the same partition.
TEST(Transform, HumanText) {
  const auto timestamp = make_type(TypeId::kTimestamp);
  const auto human = [](const char* transform, const TypePtr& type, const char* text) {
    return to_human(*parse_transform(transform), *type, transformed(transform, type, text));
  };
  EXPECT_EQ(human("year", timestamp, "1968-02-29T01:00:00"), "1968");
  EXPECT_EQ(human("month", timestamp, "1968-02-29T01:00:00"), "1968-02");
  EXPECT_EQ(human("day", timestamp, "1968-02-29T01:00:00"), "1968-02-29");
  EXPECT_EQ(human("hour", timestamp, "1968-02-29T01:00:00"), "1968-02-29-01");
  EXPECT_EQ(human("identity", make_type(TypeId::kDate), "1968-02-29"), "1968-02-29");
  EXPECT_EQ(human("identity", make_type(TypeId::kBoolean), "true"), "true");
  EXPECT_EQ(human("truncate[2]", make_type(TypeId::kString), "abc"), "ab");
  EXPECT_EQ(to_human(*parse_transform("day"), *timestamp, {}), "null");
}

}  // namespace
}  // namespace sluice
