#include "schema/literal.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "schema/scalar_text.h"

namespace sluice {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (int value : values) text += static_cast<char>(value);
  return text;
}

// Prevents: bounds and partition values that other readers decode to other numbers (examples of spec, Appendix D).
TEST(SingleValue, FollowsTheSpec) {
  EXPECT_EQ(to_single_value(*make_type(TypeId::kBoolean), true), bytes({1}));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kInt), int32_t{34}), bytes({0x22, 0, 0, 0}));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kLong), int64_t{-1}), bytes({255, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kFloat), 1.0F), bytes({0, 0, 0x80, 0x3F}));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kDouble), -0.0), bytes({0, 0, 0, 0, 0, 0, 0, 0x80}));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kDate), int32_t{1}), bytes({1, 0, 0, 0}));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kString), std::string("iceberg")), "iceberg");
  std::string uuid(16, '\0');
  ASSERT_TRUE(read_uuid("f79c3e09-677c-4bbd-a479-3f349cb785e7", reinterpret_cast<uint8_t*>(uuid.data())));
  EXPECT_EQ(to_single_value(*make_type(TypeId::kUuid), uuid),
            bytes({0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7}));
}

// Prevents: decimals with a byte too many or too few, which change sign when read back (128 needs two bytes, -128 one).
TEST(SingleValue, WritesDecimalsInTheFewestBytes) {
  const auto type = make_decimal(38, 2);
  const std::pair<Int128, std::string> cases[] = {{0, bytes({0})},
                                                  {1, bytes({1})},
                                                  {-1, bytes({0xFF})},
                                                  {127, bytes({0x7F})},
                                                  {128, bytes({0, 0x80})},
                                                  {-128, bytes({0x80})},
                                                  {-129, bytes({0xFF, 0x7F})},
                                                  {1420, bytes({0x05, 0x8C})},
                                                  {255, bytes({0, 0xFF})},
                                                  {-256, bytes({0xFF, 0x00})}};
  for (const auto& [value, expected] : cases) {
    EXPECT_EQ(to_single_value(*type, value), expected) << static_cast<int>(value);
    EXPECT_EQ(std::get<Int128>(*from_single_value(*type, expected)), value);
  }
  const Int128 largest = *read_decimal("-99999999999999999999999999999999999999", 38, 0);
  EXPECT_EQ(std::get<Int128>(*from_single_value(*type, to_single_value(*type, largest))), largest);
}

// Prevents: a type whose bytes do not come back as the same value.
TEST(SingleValue, RoundTripsExtremes) {
  const std::pair<TypePtr, Literal> cases[] = {{make_type(TypeId::kBoolean), false},
                                               {make_type(TypeId::kInt), std::numeric_limits<int32_t>::min()},
                                               {make_type(TypeId::kLong), std::numeric_limits<int64_t>::min()},
                                               {make_type(TypeId::kTimestamptz), std::numeric_limits<int64_t>::max()},
                                               {make_type(TypeId::kFloat), std::numeric_limits<float>::infinity()},
                                               {make_type(TypeId::kDouble), std::numeric_limits<double>::denorm_min()},
                                               {make_fixed(3), std::string("\0\1\2", 3)},
                                               {make_type(TypeId::kBinary), std::string()}};
  for (const auto& [type, value] : cases) EXPECT_EQ(*from_single_value(*type, to_single_value(*type, value)), value) << to_text(*type);
}

// Prevents: bounds written before a column was widened being taken for damage.
TEST(SingleValue, ReadsBoundsOfTheNarrowerType) {
  EXPECT_EQ(std::get<int64_t>(*from_single_value(*make_type(TypeId::kLong), bytes({0xFE, 0xFF, 0xFF, 0xFF}))), -2);
  EXPECT_EQ(std::get<double>(*from_single_value(*make_type(TypeId::kDouble), bytes({0, 0, 0x80, 0x3F}))), 1.0);
}

// Prevents: reading past the end of damaged bytes.
TEST(SingleValue, RefusesWrongLengths) {
  EXPECT_EQ(from_single_value(*make_type(TypeId::kInt), "abc").error().code, ErrorCode::kCorruption);
  EXPECT_FALSE(from_single_value(*make_type(TypeId::kTimestamp), "abcd"));
  EXPECT_FALSE(from_single_value(*make_type(TypeId::kBoolean), ""));
  EXPECT_FALSE(from_single_value(*make_decimal(9, 2), ""));
  EXPECT_FALSE(from_single_value(*make_decimal(9, 2), std::string(17, 'x')));
  EXPECT_FALSE(from_single_value(*make_fixed(4), "abc"));
  EXPECT_FALSE(from_single_value(*make_type(TypeId::kUuid), "abc"));
}

// Prevents: partition paths and reports that show another value than the one stored.
TEST(LiteralText, RoundTrips) {
  const std::pair<const char*, const char*> cases[] = {{"boolean", "true"},
                                                       {"int", "-2147483648"},
                                                       {"long", "9223372036854775807"},
                                                       {"double", "0.1"},
                                                       {"double", "-0"},
                                                       {"float", "1.5"},
                                                       {"decimal(9,2)", "-0.05"},
                                                       {"decimal(9,0)", "12"},
                                                       {"decimal(4,4)", "0.0001"},
                                                       {"date", "0001-01-01"},
                                                       {"date", "9999-12-31"},
                                                       {"time", "23:59:59.999999"},
                                                       {"timestamp", "1969-12-31T23:59:59.999999"},
                                                       {"timestamp", "2024-02-29T00:00:00"},
                                                       {"timestamptz", "1970-01-01T00:00:00+00:00"},
                                                       {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
                                                       {"binary", "AP8="},
                                                       {"fixed[2]", "AP8="},
                                                       {"string", ""}};
  for (const auto& [type_text, text] : cases) {
    const TypePtr type = *parse_type(type_text);
    const auto value = read_literal(*type, text);
    ASSERT_TRUE(value) << type_text << " " << text;
    EXPECT_EQ(to_text(*type, *value), text);
  }
  EXPECT_EQ(to_text(*make_type(TypeId::kInt), Literal()), "null");
  EXPECT_FALSE(read_literal(*make_fixed(3), "AP8="));
}

}  // namespace
}  // namespace sluice
