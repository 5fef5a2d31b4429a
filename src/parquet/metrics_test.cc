#include "parquet/metrics.h"

#include <gmock/gmock.h>

#include <limits>

namespace sluice {
namespace {

using testing::Optional;

constexpr MetricsMode kTruncate3{MetricsMode::kTruncate, 3};
constexpr MetricsMode kFull{MetricsMode::kFull};

Literal text(const char* value) { return std::string(value); }

std::optional<std::string> upper_text(const char* value) { return upper_bound(*make_type(TypeId::kString), kTruncate3, text(value)); }
std::optional<std::string> lower_text(const char* value) { return lower_bound(*make_type(TypeId::kString), kTruncate3, text(value)); }

// Prevents: a cut upper bound that is below the values it stands for, so that readers skip the file and rows vanish.
TEST(Bounds, UpperBoundOfCutTextIsRaised) {
  EXPECT_THAT(lower_text("abcd"), Optional(std::string("abc")));
  EXPECT_THAT(upper_text("abcd"), Optional(std::string("abd")));
  EXPECT_THAT(upper_text("abc"), Optional(std::string("abc")));
  EXPECT_THAT(upper_text(""), Optional(std::string("")));
}

// Prevents: a cut in the middle of a UTF-8 character, which readers refuse.
TEST(Bounds, TextIsCutBetweenCodePoints) {
  EXPECT_THAT(lower_text("äöüß"), Optional(std::string("äöü")));
  EXPECT_THAT(upper_text("äöüß"), Optional(std::string("äöý")));
  EXPECT_THAT(lower_text("a😀b😀"), Optional(std::string("a😀b")));
  EXPECT_THAT(upper_text("ab😀x"), Optional(std::string("ab😁")));
}

// Prevents: raising a code point into the surrogates or past the last one, which is no UTF-8.
TEST(Bounds, RaisingSkipsSurrogatesAndCarriesOver) {
  EXPECT_THAT(upper_text("ab\xED\x9F\xBFx"), Optional(std::string("ab\xEE\x80\x80")));
  EXPECT_THAT(upper_text("ab\xF4\x8F\xBF\xBFx"), Optional(std::string("ac")));
  EXPECT_THAT(upper_text("ab\x7Fx"), Optional(std::string("ab\xC2\x80")));
  EXPECT_THAT(upper_text("ab\xDF\xBFx"), Optional(std::string("ab\xE0\xA0\x80")));
  EXPECT_THAT(upper_text("ab\xEF\xBF\xBFx"), Optional(std::string("ab\xF0\x90\x80\x80")));
}

// Prevents: an upper bound that does not hold, where nothing above the cut text exists.
TEST(Bounds, UpperBoundIsLeftOutWhereNothingIsAbove) {
  EXPECT_EQ(upper_text("\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBFx"), std::nullopt);
  const Type& binary = *make_type(TypeId::kBinary);
  EXPECT_EQ(upper_bound(binary, kTruncate3, std::string("\xFF\xFF\xFF\x01")), std::nullopt);
  EXPECT_THAT(upper_bound(binary, kTruncate3, std::string("\x01\xFF\xFF\x01")), Optional(std::string("\x02")));
  EXPECT_THAT(lower_bound(binary, kTruncate3, std::string("\x01\xFF\xFF\x01")), Optional(std::string("\x01\xFF\xFF")));
}

// Prevents: bounds where the mode wants none, and NaN as a bound (every comparison with it is false).
TEST(Bounds, ModesAndNaN) {
  const Type& string = *make_type(TypeId::kString);
  EXPECT_EQ(lower_bound(string, MetricsMode{MetricsMode::kCounts}, text("a")), std::nullopt);
  EXPECT_THAT(upper_bound(string, kFull, text("abcdef")), Optional(std::string("abcdef")));
  const Literal nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(lower_bound(*make_type(TypeId::kDouble), kFull, nan), std::nullopt);
  EXPECT_EQ(upper_bound(*make_type(TypeId::kDouble), kFull, nan), std::nullopt);
}

// Prevents: metrics for thousands of columns, or none for a column that the table names.
TEST(Metrics, DefaultIsForTheFirstColumnsAndNamesWin) {
  Schema schema;
  schema.fields = {{1, "a", false, make_type(TypeId::kInt)},
                   {2, "s", false, make_struct({{3, "b", false, make_type(TypeId::kInt)}, {4, "c", false, make_type(TypeId::kInt)}})},
                   {5, "tags", false, make_list(make_type(TypeId::kString), false, 6)}};
  ParquetOptions options;
  options.metrics_columns_max = 2;
  options.metrics_by_column["s.b"] = MetricsMode{MetricsMode::kCounts};
  options.metrics_by_column["tags.element"] = kFull;
  const auto modes = metrics_modes(leaves_of(schema), options);
  ASSERT_EQ(modes.size(), 4u);
  EXPECT_EQ(modes[0].kind, MetricsMode::kTruncate);
  EXPECT_EQ(modes[1].kind, MetricsMode::kCounts);
  EXPECT_EQ(modes[2].kind, MetricsMode::kNone);
  EXPECT_EQ(modes[3].kind, MetricsMode::kFull);
}

}  // namespace
}  // namespace sluice
