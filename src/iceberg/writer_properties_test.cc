#include "iceberg/writer_properties.h"

#include <gmock/gmock.h>

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Case {
  const char* name;
  std::vector<const char*> good;
  std::vector<const char*> bad;
};

const Case kCases[] = {
    {"write.target-file-size-bytes", {"65536", "536870912"}, {"5", "", "512MB", "1e9", "-1", "99999999999999999999"}},
    {"write.object-storage.enabled", {"true", "FALSE", "True"}, {"yes", "1", ""}},
    {"write.object-storage.partitioned-paths", {"true", "False"}, {"no", "0"}},
    {"commit.manifest-merge.enabled", {"true", "false", "TRUE"}, {"no", "off"}},
    {"commit.manifest.min-count-to-merge", {"0", "1", "100"}, {"many", "100x", "-1", " 5"}},
    {"commit.manifest.target-size-bytes", {"1", "8388608"}, {"0", "8MB"}},
    {"write.metadata.compression-codec", {"none", "gzip", "GZIP"}, {"zip", "zstd", ""}},
    {"write.metadata.previous-versions-max", {"0", "1", "100"}, {"lots", "-5"}},
    {"write.metadata.delete-after-commit.enabled", {"true", "False"}, {"yes"}},
    {"write.data.path", {"/data", "file:///data", "s3://bucket/data"}, {"./data", "data", "", "file://host/data", "hdfs://x/y"}},
    {"write.metadata.path", {"/meta"}, {"meta"}},
    {"write.parquet.compression-codec", {"zstd", "SNAPPY", "uncompressed"}, {"zip", ""}},
    {"write.parquet.compression-level", {"1", "22"}, {"0", "high"}},
    {"write.parquet.row-group-size-bytes", {"134217728"}, {"1", "128MB"}},
    {"write.parquet.row-group-limit", {"1"}, {"0", "all"}},
    {"write.parquet.page-size-bytes", {"1048576"}, {"1", "x"}},
    {"write.parquet.page-row-limit", {"20000"}, {"0", "x"}},
    {"write.parquet.bloom-filter-enabled.column.id", {"true", "False"}, {"yes"}},
    {"write.parquet.bloom-filter-fpp.column.id", {"0.05", "1e-9"}, {"0", "1", "1%", "1e-60"}},
    {"write.parquet.bloom-filter-ndv.column.id", {"1000"}, {"0", "many"}},
    {"write.parquet.bloom-filter-max-bytes", {"65536"}, {"1", "1MB"}},
    {"write.parquet.dict-size-bytes", {"2097152"}, {"0", "x"}},
    {"write.metadata.metrics.default", {"none", "counts", "full", "truncate(16)"}, {"some", "truncate(x)"}},
    {"write.metadata.metrics.column.city", {"none", "full"}, {"some"}},
    {"write.metadata.metrics.max-inferred-column-defaults", {"0", "100"}, {"all", "-1"}},
};

// Prevents a value that nobody can read taken for another one in silence, and one found out only when the table is made or data is staged.
TEST(WriterProperties, EveryValueIsReadOrNamed) {
  for (const Case& one : kCases) {
    for (const char* value : one.good) {
      const auto checked = check_writer_properties({{one.name, value}});
      EXPECT_TRUE(checked) << one.name << " = " << value << ": " << checked.error().message;
    }
    for (const char* value : one.bad) {
      const auto checked = check_writer_properties({{one.name, value}});
      ASSERT_FALSE(checked) << one.name << " = " << value;
      EXPECT_EQ(checked.error().code, ErrorCode::kInvalidInput);
      EXPECT_THAT(checked.error().message, AllOf(HasSubstr(one.name), HasSubstr("\"" + std::string(value) + "\" is not ")));
    }
  }
}

// Prevents a table that cannot be what its properties say, and a mark that makes the next run stop.
TEST(WriterProperties, NewTablesAreOfOneKind) {
  for (const auto& [name, good, bad] : {std::tuple("format-version", "2", "3"), std::tuple("write.format.default", "PARQUET", "orc")}) {
    EXPECT_TRUE(check_new_table_properties({{name, good}})) << name;
    const auto refused = check_new_table_properties({{name, bad}});
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().message, AllOf(HasSubstr(name), HasSubstr(bad)));
  }
  EXPECT_THAT(check_new_table_properties({{"sluice.ingestion.x", "{}"}}).error().message, HasSubstr("sluice.ingestion.x"));
  EXPECT_TRUE(check_new_table_properties({{"sluiced", "yes"}}));
  EXPECT_FALSE(check_new_table_properties({{"write.data.path", "x"}}));
}

// Prevents a property that is checked and then read by nobody, and a default that is not what the guide says.
TEST(WriterProperties, WhatIsReadIsUsed) {
  const auto defaults = WriterProperties::from({{"owner", "somebody"}});
  EXPECT_EQ(defaults.target_file_bytes, 536'870'912);
  EXPECT_FALSE(defaults.object_storage);
  EXPECT_TRUE(defaults.partitioned_paths);
  EXPECT_TRUE(defaults.merges_manifests);
  EXPECT_EQ(defaults.manifests_to_merge_min, 100);
  EXPECT_EQ(defaults.manifest_bytes, 8'388'608);
  EXPECT_FALSE(defaults.metadata_gzip);
  EXPECT_EQ(defaults.previous_metadata_files_max, 100);
  EXPECT_FALSE(defaults.deletes_old_metadata);
  const auto read = WriterProperties::from({{"write.target-file-size-bytes", "70000"},
                                            {"write.object-storage.enabled", "TRUE"},
                                            {"write.object-storage.partitioned-paths", "False"},
                                            {"commit.manifest-merge.enabled", "FALSE"},
                                            {"commit.manifest.min-count-to-merge", "7"},
                                            {"commit.manifest.target-size-bytes", "9"},
                                            {"write.metadata.compression-codec", "GZIP"},
                                            {"write.metadata.previous-versions-max", "3"},
                                            {"write.metadata.delete-after-commit.enabled", "True"}});
  EXPECT_FALSE(read.unreadable);
  EXPECT_EQ(read.target_file_bytes, 70'000);
  EXPECT_TRUE(read.object_storage);
  EXPECT_FALSE(read.partitioned_paths);
  EXPECT_FALSE(read.merges_manifests);
  EXPECT_EQ(read.manifests_to_merge_min, 7);
  EXPECT_EQ(read.manifest_bytes, 9);
  EXPECT_TRUE(read.metadata_gzip);
  EXPECT_EQ(read.previous_metadata_files_max, 3);
  EXPECT_TRUE(read.deletes_old_metadata);
}

// Prevents a second bad value that hides the first, and a bad one that counts as something else than the default.
TEST(WriterProperties, WhatCannotBeReadHasTheDefault) {
  const auto read = WriterProperties::from({{"write.object-storage.enabled", "yes"}, {"write.metadata.previous-versions-max", "2x"}});
  ASSERT_TRUE(read.unreadable);
  EXPECT_THAT(read.unreadable->message, HasSubstr("write.object-storage.enabled"));
  EXPECT_FALSE(read.object_storage);
  EXPECT_EQ(read.previous_metadata_files_max, 100);
}

}  // namespace
}  // namespace sluice
