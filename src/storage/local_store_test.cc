#include "storage/local_store.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "storage/local_path.h"
#include "storage/local_upload.h"
#include "storage/posix_file.h"
#include "storage/stores.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LocalStoreTest : public ::testing::Test {
 protected:
  LocalStoreTest() : folder_(fs::temp_directory_path() / ("sluice-local-" + new_uuid())) { fs::create_directories(folder_); }
  ~LocalStoreTest() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& bytes) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  ListPage list(LocalStore& store) { return store.list({.prefix = root()}, context_).value(); }
  std::vector<std::string> names(const ListPage& page) {
    std::vector<std::string> names;
    for (const ObjectInfo& object : page.objects) names.push_back(object.path.substr(root().size()));
    return names;
  }
  std::string root() const { return "file://" + folder_.string() + "/"; }

  const fs::path folder_;
  LocalStore store_;
  Context context_;
};

// A file that moves to another file system is copied: who may read it, and how old it is, must not change on the way.
TEST_F(LocalStoreTest, CopiesKeepPermissionsAndTime) {
  const fs::path path = write("a.json", "x");
  const timespec times[] = {{.tv_sec = 1'000'000, .tv_nsec = 1}, {.tv_sec = 1'500'000'000, .tv_nsec = 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  for (const bool if_none_match : {true, false}) {
    const std::string copy = (folder_ / "done" / (if_none_match ? "new" : "any")).string();
    const auto info = store_.copy(path.string(), copy, {.if_none_match = if_none_match}, context_);
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->version, store_.stat(path.string(), context_)->version);
    EXPECT_EQ(info->version, store_.stat(copy, context_)->version);
    struct stat status{};
    ASSERT_EQ(::stat(copy.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0640U);
  }
}

// Users type paths, ledgers hold URIs: both must name the same file.
TEST_F(LocalStoreTest, TakesThreeSpellingsOfOnePathAndAnswersWithOne) {
  const std::string path = write("a.json", "x");
  for (const std::string& key : {path, "file:" + path, "file://" + path}) {
    EXPECT_EQ(store_.stat(key, context_)->path, "file://" + path);
  }
  EXPECT_EQ(store_.list({.prefix = folder_.string() + "/"}, context_)->objects.at(0).path, "file://" + path);
  EXPECT_EQ(store_.stat("file://host/a.json", context_).error().code, ErrorCode::kInvalidInput);
  EXPECT_EQ(store_.stat(std::string("/a\0b", 4), context_).error().code, ErrorCode::kInvalidInput);
}

// Only size and time in nanoseconds tell a rewritten file; microseconds would miss quick rewrites.
TEST_F(LocalStoreTest, VersionIsSizeAndMtimeInNanoseconds) {
  const fs::path path = write("a", "12345");
  const timespec times[2] = {{1'700'000'000, 1}, {1'700'000'000, 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const ObjectInfo info = store_.stat(path.string(), context_).value();
  EXPECT_EQ(info.version, "5-1700000000123456789");
  EXPECT_EQ(info.modified_at.micros, 1'700'000'000'123'456);
}

// A link back to a folder above would make the walk endless; a link to a file is a file of its own.
TEST_F(LocalStoreTest, FollowsLinksToFilesOnly) {
  write("data/a.json", "x");
  fs::create_symlink(folder_ / "data/a.json", folder_ / "link.json");
  fs::create_directory_symlink(folder_, folder_ / "data/loop");
  fs::create_symlink(folder_ / "gone", folder_ / "dangling.json");
  const ListPage page = list(store_);
  EXPECT_THAT(names(page), ElementsAre("data/a.json", "link.json"));
  ASSERT_THAT(page.warnings, SizeIs(2));
  EXPECT_THAT(page.warnings[0].message, HasSubstr("dangling.json"));
  EXPECT_THAT(page.warnings[1].message, HasSubstr("data/loop"));
}

// A pipe named like a file would block its reader for ever; a folder named like a file is not one.
TEST_F(LocalStoreTest, OnlyRegularFilesAreFiles) {
  write("x.json/inner.json", "x");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.json").c_str(), 0600), 0);
  const ListPage page = list(store_);
  EXPECT_THAT(names(page), ElementsAre("x.json/inner.json"));
  EXPECT_THAT(page.warnings, SizeIs(1));
  for (const char* name : {"x.json", "pipe.json"}) {
    EXPECT_EQ(store_.stat(root() + name, context_).error().type, "Unreadable") << name;
    EXPECT_FALSE(read_now(store_, {root() + name, "", {}})) << name;
    auto source = open_blob(store_, {.path = root() + name, .version = "0-0"})->open({}, context_);
    EXPECT_FALSE(source) << name;
  }
}

// The reader is in the middle of a file when somebody cuts or rewrites it: what was read so far must not count.
TEST_F(LocalStoreTest, AFileThatShrinksWhileReadIsAConflict) {
  const fs::path path = write("a", std::string(5'000'000, 'x'));
  const auto source = open_blob(store_, store_.stat(path.string(), context_).value())->open({}, context_).value();
  std::string block(1000, '\0');
  ASSERT_EQ(source->read(block, context_).value(), 1000U);
  fs::resize_file(path, 2000);
  block.resize(1'000'000);
  const Result<size_t> read = source->read(block, context_);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kConflict);
  EXPECT_EQ(read.error().type, "ChangedWhileRead");
}

// Same length, other bytes: a reader that stops at the last byte would never ask again, and admit a mixture.
TEST_F(LocalStoreTest, AFileRewrittenInPlaceIsFoundOutBeforeTheLastBytesAreHandedOut) {
  const fs::path path = write("a", std::string(10, 'x'));
  const auto source = open_blob(store_, store_.stat(path.string(), context_).value())->open({}, context_).value();
  std::string block(5, '\0');
  ASSERT_TRUE(source->read(block, context_));
  std::ofstream(path, std::ios::in) << "yyyyyyyyyy";
  const timespec times[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_EQ(source->read(block, context_).error().type, "ChangedWhileRead");
}

// Writers that rename a new file over the old one do not disturb a reader, who keeps the version that was opened.
TEST_F(LocalStoreTest, AFileRenamedOverIsReadAsItWasOpened) {
  const fs::path path = write("a", "old bytes");
  const auto blob = open_blob(store_, store_.stat(path.string(), context_).value());
  const auto source = blob->open({}, context_).value();
  fs::rename(write("b", "new"), path);
  std::string block(100, '\0');
  EXPECT_EQ(source->read(block, context_).value(), 9U);
  EXPECT_TRUE(blob->open({}, context_));
}

// Kills leave temporary files; discovery must not take them for data, and sweeps must know them.
TEST_F(LocalStoreTest, UnfinishedFilesAreHiddenAndRecognisable) {
  write("t", "old");
  auto upload = store_.start_upload(root() + "t", {}, context_).value();
  const ListPage page = list(store_);
  ASSERT_THAT(names(page), SizeIs(2));
  EXPECT_TRUE(names(page)[0].starts_with("."));
  EXPECT_TRUE(names(page)[0].ends_with(kUnfinishedSuffix));
  upload.reset();
  EXPECT_THAT(names(list(store_)), ElementsAre("t"));
}

// A table's folder that is read-only or full must be told apart from a broken program: code, path and reason.
TEST_F(LocalStoreTest, WriteErrorsNameThePathAndWhatToDo) {
  write("file", "x");
  const auto below_file = store_.put(root() + "file/a", std::string_view("x"), {}, context_);
  ASSERT_FALSE(below_file);
  EXPECT_THAT(below_file.error().message, HasSubstr((folder_ / "file").string()));
  fs::create_directory(folder_ / "folder");
  EXPECT_EQ(store_.put(root() + "folder", std::string_view("x"), {}, context_).error().code, ErrorCode::kInvalidInput);
  EXPECT_FALSE(store_.put(root() + "folder/", std::string_view("x"), {}, context_));
  EXPECT_FALSE(store_.put(root() + std::string(300, 'n'), std::string_view("x"), {}, context_));
  EXPECT_THAT(names(list(store_)), ElementsAre("file"));
  const Error full = io_error(ENOSPC, "writing", "/data/a");
  EXPECT_EQ(full.code, ErrorCode::kUnavailable);
  EXPECT_EQ(full.message, "writing /data/a: No space left on device");
  EXPECT_EQ(io_error(EACCES, "reading", "/data/a").type, "Unreadable");
}

// A page token must work in a process that did not make it, and after the shortcut in memory was dropped.
TEST_F(LocalStoreTest, TokensWorkInAnotherStore) {
  for (const char* name : {"a/1", "a/2", "a-b", "b", "c/d/e"}) write(name, "x");
  std::vector<std::string> all;
  ListRequest request{.prefix = root(), .limit = 1};
  for (;;) {
    LocalStore fresh;
    const ListPage page = fresh.list(request, context_).value();
    for (const std::string& name : names(page)) all.push_back(name);
    if (page.next_token.empty()) break;
    request.token = page.next_token;
  }
  EXPECT_THAT(all, ElementsAre("a-b", "a/1", "a/2", "b", "c/d/e"));
}

// Sources vanish between two pages; the listing goes on with what is there.
TEST_F(LocalStoreTest, FilesAndFoldersThatVanishDuringAListingAreLeftOut) {
  for (const char* name : {"a/1", "b/1", "b/2", "c/1", "d"}) write(name, "x");
  const ListPage first = store_.list({.prefix = root(), .limit = 2}, context_).value();
  fs::remove_all(folder_ / "b");
  fs::remove_all(folder_ / "c");
  const ListPage rest = store_.list({.prefix = root(), .token = first.next_token}, context_).value();
  EXPECT_THAT(names(first), ElementsAre("a/1", "b/1"));
  EXPECT_THAT(names(rest), ElementsAre("d"));
  EXPECT_THAT(rest.warnings, IsEmpty());
}

// One folder that a user may not read must cost that folder only, and be named.
TEST_F(LocalStoreTest, AFolderWithoutPermissionIsAWarning) {
  write("a/1", "x");
  write("locked/2", "x");
  write("z", "x");
  fs::permissions(folder_ / "locked", fs::perms::none);
  constexpr uid_t kNobody = 65534;
  const bool is_root = ::geteuid() == 0;  // who may read everything
  ASSERT_EQ(is_root ? ::seteuid(kNobody) : 0, 0);
  const Result<ListPage> page = store_.list({.prefix = root()}, context_);
  const Result<ListPage> locked = store_.list({.prefix = root() + "locked/"}, context_);
  ASSERT_EQ(is_root ? ::seteuid(0) : 0, 0);
  fs::permissions(folder_ / "locked", fs::perms::owner_all);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_THAT(names(*page), ElementsAre("a/1", "z"));
  ASSERT_THAT(page->warnings, SizeIs(1));
  EXPECT_THAT(page->warnings[0].message, HasSubstr("locked"));
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().code, ErrorCode::kInvalidInput);
}

// Empty batch folders pile up by the thousand; a folder with anything in it must stay.
TEST_F(LocalStoreTest, RemovesEmptyFoldersOnly) {
  write("t/batch/p=1/x", "x");
  fs::create_directories(folder_ / "t/batch/p=2/q=3");
  store_.remove_empty_folders(root() + "t/batch");
  EXPECT_TRUE(fs::exists(folder_ / "t/batch/p=1/x"));
  EXPECT_FALSE(fs::exists(folder_ / "t/batch/p=2"));
  fs::remove(folder_ / "t/batch/p=1/x");
  store_.remove_empty_folders(root() + "t/batch/");
  EXPECT_FALSE(fs::exists(folder_ / "t/batch"));
  EXPECT_TRUE(fs::exists(folder_ / "t"));
}

// The clean-up of empty folders races with the first file of the next batch.
TEST_F(LocalStoreTest, MakesMissingFolders) {
  ASSERT_TRUE(store_.put(root() + "a/b/c/d", std::string_view("x"), {.if_none_match = true}, context_));
  EXPECT_THAT(names(list(store_)), ElementsAre("a/b/c/d"));
}

// A file that is renamed over another one is a file lost; one that changed meanwhile was loaded by nobody.
TEST_F(LocalStoreTest, RenamesOnlyAKnownVersionAndNeverOverAFile) {
  write("a.json", "a"), write("taken", "b");
  const std::string from = root() + "a.json", to = root() + "done/deep/a.json";
  const std::string version = store_.stat(from, context_)->version;
  EXPECT_EQ(store_.rename({from, version}, root() + "taken", context_).value(), MoveEnd::kTargetTaken);
  EXPECT_EQ(store_.rename({from, "1-1"}, to, context_).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store_.rename({from, version}, to, context_).value(), MoveEnd::kMoved);
  EXPECT_EQ(store_.stat(to, context_)->version, version);
  EXPECT_EQ(store_.rename({from, version}, to, context_).error().code, ErrorCode::kNotFound);
  fs::create_symlink("taken", folder_ / "link");
  const auto link = store_.rename({root() + "link", store_.stat(root() + "link", context_)->version}, root() + "x", context_);
  EXPECT_THAT(link.error().message, HasSubstr("a link is not moved"));
}

// The ledger's key is the text of the path: two spellings would load a file twice.
TEST(LocalPath, MakesAbsoluteUris) {
  EXPECT_EQ(absolute_uri("/data//x/./a b.json").value(), "file:///data/x/a b.json");
  EXPECT_EQ(absolute_uri("/data/x/../y/").value(), "file:///data/y/");
  EXPECT_EQ(absolute_uri("/../..").value(), "file:///");
  EXPECT_EQ(absolute_uri("file:///a%20b#c?d").value(), "file:///a%20b#c?d");
  EXPECT_EQ(absolute_uri("file:/a").value(), "file:///a");
  EXPECT_EQ(absolute_uri("s3://b//k/../x").value(), "s3://b//k/../x");
  const std::string here = "file://" + fs::current_path().string();
  EXPECT_EQ(absolute_uri("a/*.json").value(), here + "/a/*.json");
  EXPECT_EQ(absolute_uri("./line\nbreak \xC3\xA9").value(), here + "/line\nbreak \xC3\xA9");
  EXPECT_EQ(absolute_uri("a:b.json").value(), here + "/a:b.json");
  EXPECT_EQ(absolute_uri("~/x").value(), here + "/~/x");
  EXPECT_EQ(absolute_uri(".").value(), here + "/");
  EXPECT_FALSE(absolute_uri(""));
  EXPECT_FALSE(absolute_uri("file://host/x"));
}

// A scheme that this build cannot serve must say so, not fail as a missing file.
TEST(Stores, FindsStoresByScheme) {
  SystemClock clock;
  Stores stores(clock);
  EXPECT_EQ(stores.store_for("/a", {}).value(), stores.store_for("file:///b", {}).value());
  EXPECT_NE(stores.store_for("s3://b/k", {}).value(), stores.store_for("/a", {}).value());
  EXPECT_EQ(stores.store_for("gs://b/k", {}).error().code, ErrorCode::kInvalidInput);
  EXPECT_EQ(stores.store_for("relative", {}).error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace sluice
