#include "service/local_roots.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "storage/stores.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class LocalRootsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "roots_XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    fs::create_directories(folder_ + "/in/deep");
    fs::create_directories(folder_ + "/in2");
    fs::create_directories(folder_ + "/out");
    std::ofstream(folder_ + "/in/a.json") << "{}";
    std::ofstream(folder_ + "/out/s.json") << "secret";
    fs::create_symlink(folder_ + "/out", folder_ + "/in/link");
    fs::create_symlink(folder_ + "/out/s.json", folder_ + "/in/s.json");
    fs::create_symlink(folder_ + "/in/deep", folder_ + "/in/inner");
  }
  void TearDown() override { fs::remove_all(folder_); }
  bool allows(const std::string& path) const { return LocalRoots({folder_ + "/in"}).check(path).has_value(); }

  std::string folder_;
};

// Prevents: a path that leaves the root by its name, by dots, by a link, or because another folder's name begins like it.
TEST_F(LocalRootsTest, KeepsPathsBelowTheRoot) {
  EXPECT_TRUE(allows(folder_ + "/in"));
  EXPECT_TRUE(allows(folder_ + "/in/"));
  EXPECT_TRUE(allows(folder_ + "/in/a.json"));
  EXPECT_TRUE(allows("file://" + folder_ + "/in/not/yet/there"));
  EXPECT_TRUE(allows(folder_ + "/in/inner/x"));
  EXPECT_FALSE(allows(folder_));
  EXPECT_FALSE(allows("/"));
  EXPECT_FALSE(allows(folder_ + "/in2/a"));
  EXPECT_FALSE(allows(folder_ + "/out/s.json"));
  EXPECT_FALSE(allows(folder_ + "/in/../out/s.json"));
  EXPECT_FALSE(allows(folder_ + "/in/deep/.."));
  EXPECT_FALSE(allows(folder_ + "/in/link/s.json"));
  EXPECT_FALSE(allows(folder_ + "/in/s.json"));
  EXPECT_FALSE(LocalRoots({}).check(folder_ + "/in/a.json").has_value());
}

// Prevents: a file that is listed through a link and then read, and a source that writes.
TEST_F(LocalRootsTest, StoresReadBelowTheRootOnly) {
  const LocalRoots roots({folder_ + "/in"});
  LocalStore local;
  SingleStore stores(local);
  RootedStores rooted(stores, roots);
  ObjectStore& store = **rooted.store_for("file://" + folder_ + "/in/", {});
  Context context;
  const std::string inside = "file://" + folder_ + "/in/a.json", linked = "file://" + folder_ + "/in/s.json";
  EXPECT_EQ(read_now(store, {inside, "", {0, 10}}).value(), "{}");
  const auto refused = read_now(store, {linked, "", {0, 10}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().type, error_type::kUnreadable);
  EXPECT_FALSE(store.stat(linked, context).has_value());
  EXPECT_FALSE(store.list({.prefix = "file://" + folder_ + "/out/"}, context).has_value());
  EXPECT_FALSE(store.put(inside, std::string("x"), {}, context).has_value());
  EXPECT_TRUE(fs::exists(folder_ + "/in/a.json"));
  EXPECT_EQ(read_now(store, {inside, "1-1", {0, 10}}).error().code, ErrorCode::kConflict);
}

// Prevents: a file that was below the root when it was looked at, and is read through a link that was put in its way since: whoever may
// write below a root would read every file of this machine.
TEST_F(LocalRootsTest, FollowsNoLinkThatComesInBetween) {
  const LocalRoots roots({folder_ + "/in"});
  LocalStore local;
  SingleStore stores(local);
  RootedStores rooted(stores, roots);
  ObjectStore& store = **rooted.store_for("file://" + folder_ + "/in/", {});
  Context context;
  std::ofstream(folder_ + "/in/deep/s.json") << "public";
  for (const char* swapped : {"/in/deep", "/in/deep/s.json"}) {  // a folder on the way, the file itself
    const auto info = store.stat("file://" + folder_ + "/in/deep/s.json", context);
    ASSERT_TRUE(info.has_value());
    const auto blob = store.open(*info);
    fs::rename(folder_ + swapped, folder_ + "/aside");
    fs::create_symlink(fs::is_directory(folder_ + "/aside") ? folder_ + "/out" : folder_ + "/out/s.json", folder_ + swapped);
    const auto source = blob->open({}, context);
    ASSERT_FALSE(source.has_value()) << "through " << swapped;
    EXPECT_EQ(source.error().type, error_type::kUnreadable);
    fs::remove(folder_ + swapped);
    fs::rename(folder_ + "/aside", folder_ + swapped);
  }
  EXPECT_EQ(store.open(*store.stat("file://" + folder_ + "/in/deep/s.json", context))->size_bytes(), 6);

  // Even between the check and the opening.
  fs::rename(folder_ + "/in/deep", folder_ + "/aside");
  fs::create_symlink(folder_ + "/out", folder_ + "/in/deep");
  const auto opened = open_file_below(folder_ + "/in/", folder_ + "/in/deep/s.json");
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().type, error_type::kUnreadable);
}

// Prevents: files of a tenant that leave the root by their move, or files elsewhere on this machine that are moved or deleted for one.
TEST_F(LocalRootsTest, MovesAndRemovesBelowTheRootOnly) {
  const LocalRoots roots({folder_ + "/in"});
  LocalStore local;
  SingleStore stores(local);
  RootedStores rooted(stores, roots);
  ObjectStore& store = **rooted.store_for("file://" + folder_ + "/in/", {});
  Context context;
  const std::string root = "file://" + folder_;
  const std::string version = store.stat(root + "/in/a.json", context)->version;
  const std::string secret = local.stat(root + "/out/s.json", context)->version;
  for (const char* outside : {"/out/a.json", "/in/link/a.json", "/in/../out/a.json"}) {
    EXPECT_FALSE(store.rename({root + "/in/a.json", version}, root + outside, context).has_value()) << outside;
  }
  EXPECT_FALSE(store.rename({root + "/in/link/s.json", secret}, root + "/in/mine.json", context).has_value());
  EXPECT_EQ(store.rename({root + "/in/a.json", version}, root + "/in/done/x/a.json", context).value(), MoveEnd::kMoved);
  EXPECT_TRUE(fs::exists(folder_ + "/in/done/x/a.json"));
  const std::vector<VersionedKey> keys = {
      {root + "/in/link/s.json", secret}, {root + "/in/done/x/a.json", "1-1"}, {root + "/in/done/x/a.json", version}};
  const auto outcomes = store.remove(keys, context).value();
  EXPECT_TRUE(outcomes[0].error && outcomes[1].error);
  EXPECT_FALSE(outcomes[2].error);
  EXPECT_TRUE(fs::exists(folder_ + "/out/s.json"));
  EXPECT_FALSE(fs::exists(folder_ + "/in/done/x/a.json"));

  // Even between the check and the opening.
  EXPECT_FALSE(open_folder_below(folder_ + "/in/", folder_ + "/in/link/deep", true).has_value());
  EXPECT_FALSE(fs::exists(folder_ + "/out/deep"));
}

// Prevents: a disposition that says where the service may not write being found out by its first run.
TEST_F(LocalRootsTest, ChecksWhereFilesGo) {
  Ingestion ingestion;
  ingestion.sources.emplace_back().paths = {"file://" + folder_ + "/in/"};
  ingestion.disposition.done = {Disposition::Kind::kMove, "file://" + folder_ + "/in/deep/"};
  EXPECT_TRUE(LocalRoots({folder_ + "/in"}).check(ingestion).has_value());
  ingestion.disposition.failed = {Disposition::Kind::kMove, "file://" + folder_ + "/out/"};
  EXPECT_FALSE(LocalRoots({folder_ + "/in"}).check(ingestion).has_value());
}

}  // namespace
}  // namespace sluice
