#include <gmock/gmock.h>

#include "parquet/parquet_writer.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using Properties = std::map<std::string, std::string>;

// Prevents: a table's own settings being passed over.
TEST(ParquetOptions, ReadsTheTablesProperties) {
  const auto options = ParquetOptions::from_properties({{"write.parquet.compression-codec", "GZIP"},
                                                        {"write.parquet.compression-level", "7"},
                                                        {"write.parquet.row-group-size-bytes", "1048576"},
                                                        {"write.parquet.row-group-limit", "500"},
                                                        {"write.parquet.page-size-bytes", "65536"},
                                                        {"write.parquet.page-row-limit", "100"},
                                                        {"write.parquet.dict-size-bytes", "4096"},
                                                        {"write.metadata.metrics.default", "counts"},
                                                        {"write.metadata.metrics.column.a.b", "truncate(4)"},
                                                        {"owner", "somebody"}});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->compression, "gzip");
  EXPECT_EQ(options->compression_level, 7);
  EXPECT_EQ(options->row_group_bytes, kMiB);
  EXPECT_EQ(options->row_group_rows, 500);
  EXPECT_EQ(options->page_bytes, 64 * kKiB);
  EXPECT_EQ(options->page_rows, 100);
  EXPECT_EQ(options->dictionary_bytes, 4096);
  EXPECT_EQ(options->metrics_default.kind, MetricsMode::kCounts);
  EXPECT_GT(options->metrics_columns_max, 1'000'000);
  EXPECT_EQ(options->metrics_by_column.at("a.b").length, 4);
}

// Prevents: a level meant for another codec making the writer fail.
TEST(ParquetOptions, IgnoresTheLevelOfACodecWithoutLevels) {
  const auto options =
      ParquetOptions::from_properties({{"write.parquet.compression-codec", "snappy"}, {"write.parquet.compression-level", "3"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->compression_level, std::nullopt);
}

// Prevents: a bad value silently becoming a default, or an error that does not say which property.
TEST(ParquetOptions, NamesTheBadProperty) {
  for (const auto& [name, value] : Properties{{"write.parquet.compression-codec", "zip"},
                                              {"write.parquet.compression-level", "99"},
                                              {"write.parquet.row-group-size-bytes", "0"},
                                              {"write.parquet.row-group-limit", "-1"},
                                              {"write.parquet.page-size-bytes", "1MB"},
                                              {"write.parquet.page-row-limit", ""},
                                              {"write.parquet.dict-size-bytes", "99999999999999999999"},
                                              {"write.metadata.metrics.default", "truncate(0)"},
                                              {"write.metadata.metrics.column.x", "truncate(4"},
                                              {"write.metadata.metrics.max-inferred-column-defaults", "many"}}) {
    const auto options = ParquetOptions::from_properties({{name, value}});
    ASSERT_FALSE(options) << name;
    EXPECT_EQ(options.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(options.error().message, HasSubstr(name));
    EXPECT_THAT(options.error().message, HasSubstr("\"" + value + "\""));
  }
}

}  // namespace
}  // namespace sluice
