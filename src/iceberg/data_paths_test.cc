#include "iceberg/data_paths.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "iceberg/test_metadata.h"

namespace sluice {
namespace {

using testing::MatchesRegex;

TableMetadata table_with(std::map<std::string, std::string> properties) {
  TableMetadata table = test_table();
  table.properties = std::move(properties);
  return table;
}

// Prevents plain tables from getting another layout than the one every sweep and guide knows.
TEST(DataPaths, PlainByDefault) {
  const DataLayout layout = data_layout(table_with({{"write.object-storage.partitioned-paths", "false"}}));
  EXPECT_EQ(data_file_path(layout, "b1", "day=1", "u"), layout.location + "/b1/day=1/u.parquet")
      << "the second property alone says nothing";
  EXPECT_THAT(data_folders(layout.location, layout.hashed, "b1"), testing::ElementsAre(layout.location + "/b1/"));
}

// Prevents all files of a table below one prefix, where the table asks for many: the store would slow all its writers and readers down.
TEST(DataPaths, HashedWhereTheTableAsks) {
  const DataLayout layout = data_layout(table_with({{"write.object-storage.enabled", "true"}, {"write.data.path", "mem://other/d"}}));
  EXPECT_THAT(data_file_path(layout, "b1", "day=1", "u"), MatchesRegex("mem://other/d/[01]{4}/[01]{4}/[01]{4}/[01]{8}/b1/day=1/u.parquet"));
  std::set<std::string> prefixes;
  for (int i = 0; i < 1000; ++i) {
    const std::string path = data_file_path(layout, new_uuid(), "", new_uuid());
    prefixes.insert(path.substr(0, path.find('/', layout.location.size() + 6)));
  }
  EXPECT_GT(prefixes.size(), 200U) << "of 256 prefixes of 8 bits";
}

// Prevents partition values in paths of tables that want them short or secret.
TEST(DataPaths, PartitionsStayOutOfThePathOnRequest) {
  const DataLayout layout =
      data_layout(table_with({{"write.object-storage.enabled", "true"}, {"write.object-storage.partitioned-paths", "false"}}));
  EXPECT_THAT(data_file_path(layout, "b1", "day=1", "u"), MatchesRegex(".*/[01]{8}/b1/u.parquet"));
}

// Prevents leftovers that no sweep finds, and a sweep that deletes another batch's files: each file lies in one of its batch's folders.
TEST(DataPaths, EveryFileLiesInAFolderOfItsBatch) {
  const DataLayout layout = data_layout(table_with({{"write.object-storage.enabled", "true"}}));
  const auto folders = data_folders(layout.location, layout.hashed, "b1");
  const auto others = data_folders(layout.location, layout.hashed, "b2");
  std::set<std::string> used;
  for (int i = 0; i < 500; ++i) {
    const std::string path = data_file_path(layout, "b1", "p=1", new_uuid());
    const auto below = [&](const std::string& folder) { return path.starts_with(folder); };
    const auto mine = std::ranges::find_if(folders, below);
    ASSERT_NE(mine, folders.end()) << path;
    used.insert(*mine);
    EXPECT_TRUE(std::ranges::none_of(others, below)) << path;
  }
  EXPECT_EQ(used.size(), static_cast<size_t>(kHashedPrefixesPerBatch));
}

}  // namespace
}  // namespace sluice
