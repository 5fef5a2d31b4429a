#include "schema/scalar_text.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

// Prevents: words that merely begin like a boolean, or 0/1, becoming one.
TEST(ReadBool, TakesOnlyTrueAndFalse) {
  EXPECT_EQ(read_bool("TRUE"), true);
  EXPECT_EQ(read_bool("false"), false);
  for (const char* text : {"", "t", "1", "0", "yes", "truee", " true"}) EXPECT_EQ(read_bool(text), std::nullopt) << text;
}

// Prevents: integers that wrap around at the ends of their range.
TEST(ReadInteger, ChecksRangeToTheUnit) {
  EXPECT_EQ(read_int("2147483647"), std::numeric_limits<int32_t>::max());
  EXPECT_EQ(read_int("2147483648"), std::nullopt);
  EXPECT_EQ(read_int("-2147483648"), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(read_int("-2147483649"), std::nullopt);
  EXPECT_EQ(read_long("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(read_long("9223372036854775808"), std::nullopt);
  EXPECT_EQ(read_long("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(read_long("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(read_long("18446744073709551616"), std::nullopt);
  EXPECT_EQ(read_long("99999999999999999999999"), std::nullopt);
  EXPECT_EQ(read_long("0000000000000000000000012"), 12);
  EXPECT_EQ(read_long("+5"), 5);
  for (const char* text : {"", "-", "+", "--5", "1.0", "1e3", " 1", "1 ", "0x10", "1_000", "١"})
    EXPECT_EQ(read_long(text), std::nullopt) << text;
}

// Prevents: silent infinities, zeros and rounded integers where the text said something else.
TEST(ReadDouble, KeepsFiniteTextFiniteAndIntegersExact) {
  EXPECT_EQ(read_double("0.1"), 0.1);
  EXPECT_TRUE(std::signbit(*read_double("-0.0")));
  EXPECT_EQ(read_double("+1.5e2"), 150.0);
  EXPECT_EQ(read_double(".5"), 0.5);
  EXPECT_EQ(read_double("4.9e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(read_double("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_TRUE(std::isnan(*read_double("NaN")));
  EXPECT_EQ(read_double("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(read_double("inf"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(read_double("9007199254740992"), 9007199254740992.0);
  EXPECT_EQ(read_double("9007199254740993"), std::nullopt);
  EXPECT_EQ(read_double("100000000000000000000"), 1e20);
  EXPECT_EQ(read_double("0e999"), 0.0);
  for (const char* text : {"", "-", ".", "1e400", "-1e400", "1e-400", "1.2.3", "0x1p3", "nan(1)", "1e", "infinit", "--1", "+-1", "1 "}) {
    EXPECT_EQ(read_double(text), std::nullopt) << text;
  }
}

// Prevents: doubles' range and integers being let into float columns.
TEST(ReadFloat, HasItsOwnRange) {
  EXPECT_EQ(read_float("0.1"), 0.1F);
  EXPECT_EQ(read_float("16777216"), 16777216.0F);
  EXPECT_EQ(read_float("16777217"), std::nullopt);
  EXPECT_EQ(read_float("1e39"), std::nullopt);
  EXPECT_EQ(read_float("1e-50"), std::nullopt);
}

// Prevents: amounts rounded or shifted: every digit lands where it belongs or the text does not fit.
TEST(ReadDecimal, IsExact) {
  struct Case {
    const char* text;
    int precision, scale;
    std::optional<int64_t> unscaled;
  };
  const Case cases[] = {{"12.34", 9, 2, 1234},
                        {"-12.34", 9, 2, -1234},
                        {"12.3", 9, 2, 1230},
                        {"12.340000", 9, 2, 1234},
                        {"12.345", 9, 2, std::nullopt},
                        {"1234567.89", 9, 2, 123456789},
                        {"12345678.90", 9, 2, std::nullopt},
                        {"0", 1, 0, 0},
                        {"-0.00", 3, 2, 0},
                        {"0.05", 2, 2, 5},
                        {"0.5", 1, 0, std::nullopt},
                        {"1e3", 4, 0, 1000},
                        {"1e3", 3, 0, std::nullopt},
                        {"1.5e1", 2, 0, 15},
                        {"1500e-2", 4, 0, 15},
                        {"15e-2", 4, 0, std::nullopt},
                        {"+7.", 1, 0, 7},
                        {".7", 2, 1, 7},
                        {"000123", 3, 0, 123},
                        {"0e999999999999", 3, 0, 0},
                        {"1e999999999999", 38, 0, std::nullopt},
                        {"1e-999999999999", 38, 38, std::nullopt},
                        {"1.0", 19, 0, 1},
                        {"", 9, 2, std::nullopt},
                        {".", 9, 2, std::nullopt},
                        {"1e", 9, 2, std::nullopt},
                        {"NaN", 9, 2, std::nullopt},
                        {"1,5", 9, 2, std::nullopt}};
  for (const Case& c : cases) {
    const auto value = read_decimal(c.text, c.precision, c.scale);
    ASSERT_EQ(value.has_value(), c.unscaled.has_value()) << c.text;
    if (value) {
      EXPECT_EQ(static_cast<int64_t>(*value), *c.unscaled) << c.text;
    }
  }
  const std::string nines(38, '9');
  EXPECT_EQ(to_text(*make_decimal(38, 0), *read_decimal("-" + nines, 38, 0)), "-" + nines);
  EXPECT_EQ(read_decimal("1" + std::string(38, '0'), 38, 0), std::nullopt);
  EXPECT_EQ(to_text(*make_decimal(38, 38), *read_decimal("0." + nines, 38, 38)), "0." + nines);
}

// Prevents: days that do not exist, and an epoch off by one on either side of 1970 and of leap days.
TEST(ReadDate, KnowsTheCalendar) {
  EXPECT_EQ(read_date("1970-01-01"), 0);
  EXPECT_EQ(read_date("1969-12-31"), -1);
  EXPECT_EQ(read_date("2000-02-29"), 11'016);
  EXPECT_EQ(read_date("0001-01-01"), -719'162);
  EXPECT_EQ(read_date("9999-12-31"), 2'932'896);
  for (const char* text : {"1900-02-29", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-04-31", "0000-01-01", "2024-1-1",
                           "20240101", "2024/01/01", "+024-01-01", "2024-01-01 ", "-024-01-01", ""}) {
    EXPECT_EQ(read_date(text), std::nullopt) << text;
  }
}

// Prevents: fractions cut off without a word, and times that no clock shows.
TEST(ReadTime, TakesMicrosecondsExactly) {
  EXPECT_EQ(read_time("00:00"), 0);
  EXPECT_EQ(read_time("23:59:59.999999"), kDayUs - 1);
  EXPECT_EQ(read_time("00:00:01.5"), 1'500'000);
  EXPECT_EQ(read_time("00:00:00.000001000"), 1);
  for (const char* text :
       {"24:00", "12:60", "12:00:60", "12", "12:0", "12:00:00.", "12:00:00.0000001", "12:00:00.0000000000", "12:00:00Z"}) {
    EXPECT_EQ(read_time(text), std::nullopt) << text;
  }
}

// Prevents: an offset lost or applied the wrong way round, and instants before 1970 off by a day.
TEST(ReadTimestamp, SeparatesLocalAndUtc) {
  EXPECT_EQ(read_timestamp("1970-01-02T00:00:00"), kDayUs);
  EXPECT_EQ(read_timestamp("1969-12-31 23:59:59.999999"), -1);
  EXPECT_EQ(read_timestamp("2024-02-29"), 19'782 * kDayUs);
  EXPECT_EQ(read_timestamp("0001-01-01T00:00"), -719'162 * kDayUs);
  EXPECT_EQ(read_timestamp("1970-01-01T00:00:00Z"), std::nullopt);
  EXPECT_EQ(read_timestamptz("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(read_timestamptz("1970-01-01T01:00:00+01:00"), 0);
  EXPECT_EQ(read_timestamptz("1970-01-01 00:00:00.25-0530"), (5 * 60 + 30) * 60'000'000LL + 250'000);
  EXPECT_EQ(read_timestamptz("1970-01-01 02:00+02"), 0);
  for (const char* text :
       {"1970-01-01T00:00:00", "1970-01-01", "1970-01-01T00:00:00+19:00", "1970-01-01T00:00:00+1:00", "1970-01-01T00:00:00 Z",
        "1970-01-01T00:00:00.1234567Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "1970-01-01_00:00:00Z"}) {
    EXPECT_EQ(read_timestamptz(text), std::nullopt) << text;
  }
}

// Prevents: the remembered date being used for a row with another date, or after a date that was refused.
TEST(TimestampParser, AgreesWithTheFunctionsWhateverCameBefore) {
  TimestampParser parser;
  const char* texts[] = {"2024-01-01T00:00:01", "2024-01-01T00:00:02", "2024-02-30T00:00:00", "2024-01-01T00:00:03",
                         "2024-01-02 00:00:00", "2024-01-02",          "2024-01-0",           "2024-01-02Tx"};
  for (const char* text : texts) EXPECT_EQ(parser.read_timestamp(text), read_timestamp(text)) << text;
}

// Prevents: inference calling something a timestamp that the reader then refuses.
TEST(ClassifyTime, NamesWhatCanBeRead) {
  EXPECT_EQ(classify_time("2024-02-29"), TimeText::kDate);
  EXPECT_EQ(classify_time("2024-02-29T10:00"), TimeText::kTimestamp);
  EXPECT_EQ(classify_time("2024-02-29 10:00:00+02:00"), TimeText::kTimestamptz);
  for (const char* text : {"2023-02-29", "2024-02-29T10", "2024-02-29T10:00:00.123456789Z", "2024-02-29x", "123-4567-890", ""}) {
    EXPECT_EQ(classify_time(text), TimeText::kNone) << text;
  }
}

// Prevents: damaged ids and bytes being stored as something near them.
TEST(ReadBytes, IsStrict) {
  uint8_t bytes[16];
  EXPECT_TRUE(read_uuid("F79C3E09-677c-4bbd-a479-3f349cb785e7", bytes));
  EXPECT_EQ(bytes[0], 0xF7);
  EXPECT_EQ(bytes[15], 0xE7);
  EXPECT_FALSE(read_uuid("f79c3e09677c4bbda4793f349cb785e7", bytes));
  EXPECT_FALSE(read_uuid("f79c3e09-677c-4bbd-a479-3f349cb785eg", bytes));
  EXPECT_FALSE(read_uuid("f79c3e09-677c-4bbd-a4793-f349cb785e7", bytes));
  std::string out = "kept";
  for (const char* text : {"A", "AA", "AAA", "A===", "AB==", "AA=A", "AA!A", "AAAA\n", "===="}) {
    EXPECT_FALSE(decode_base64(text, out)) << text;
    EXPECT_EQ(out, "kept");
  }
  for (const std::string& value : {std::string(), std::string("\0", 1), std::string("\xff\xfe"), std::string("abc"), std::string("abcd")}) {
    std::string decoded;
    ASSERT_TRUE(decode_base64(encode_base64(value), decoded));
    EXPECT_EQ(decoded, value);
  }
}

}  // namespace
}  // namespace sluice
