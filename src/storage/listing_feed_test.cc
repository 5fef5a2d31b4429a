#include "storage/listing_feed.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/glob.h"
#include "storage/memory_store.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kRoot = "mem://b/";

class ListingFeedTest : public ::testing::Test {
 protected:
  void put(const std::string& name) { ASSERT_TRUE(store_.put(std::string(kRoot) + name, std::string_view("x"), {}, context_)); }

  // All pages of a feed as one.
  FeedPage drain(FileFeed& feed) {
    FeedPage all;
    for (;;) {
      Result<FeedPage> page = feed.next(context_);
      EXPECT_TRUE(page) << page.error().message;
      if (!page) return all;
      for (ListedFile& file : page->files) all.files.push_back(std::move(file));
      for (ListedFile& file : page->bad_names) all.bad_names.push_back(std::move(file));
      for (std::string& path : page->unmatched) all.unmatched.push_back(std::move(path));
      for (Error& warning : page->warnings) all.warnings.push_back(std::move(warning));
      all.waiting += page->waiting;
      all.in_byte_order = page->in_byte_order;
      if (page->last) return all;
    }
  }

  FeedPage feed(std::vector<std::string> paths, const Ready& ready = {}) { return feed_of(store_, std::move(paths), ready); }
  FeedPage feed_of(ObjectStore& store, std::vector<std::string> paths, const Ready& ready = {}) {
    for (std::string& path : paths) path.insert(0, kRoot);
    return drain(*make_listing_feed(store, paths, ready, clock_).value());
  }

  static std::vector<std::string> names(const FeedPage& page) {
    std::vector<std::string> names;
    for (const ListedFile& file : page.files) names.push_back(file.path.substr(kRoot.size()));
    return names;
  }

  ManualClock clock_;
  MemoryStore store_{clock_, {.page_entries_max = 3}};
  Context context_;
};

/// A store behind a network, whose listings are answered once `together` of them wait.
class MeetingStore final : public ObjectStore {
 public:
  MeetingStore(ObjectStore& store, int together) : store_(store), together_(together) {}

  Result<ListPage> list(const ListRequest& request, Context& context) override {
    {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      met = changed_.wait_for(lock, std::chrono::seconds(20), [&] { return waiting_ >= together_; }) && met;
    }
    return store_.list(request, context);
  }
  int lists_at_once() const override { return together_; }
  Result<ObjectInfo> stat(const Key& key, Context& context) override { return store_.stat(key, context); }
  void read(ReadRequest request, ReadDone done) override { store_.read(std::move(request), std::move(done)); }
  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override {
    return store_.put(key, bytes, options, context);
  }
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options, Context& context) override {
    return store_.start_upload(key, options, context);
  }
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) override {
    return store_.copy(from, to, options, context);
  }
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) override {
    return store_.remove(keys, context);
  }

  bool met = true;

 private:
  ObjectStore& store_;
  const int together_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;  // protected by mutex_
};

// A hundred prefixes, each a round trip to the store, one after the other; or a path taken for a file that is none.
TEST_F(ListingFeedTest, ListsIndependentPathsAtOnce) {
  for (const char* name : {"a/1", "b/1", "c/1", "d/1", "e/x", "f"}) put(name);
  MeetingStore store(store_, 3);
  EXPECT_THAT(names(feed_of(store, {"c/", "a", "b/*", "d/", "e/x", "f"})), ElementsAre("a/1", "b/1", "c/1", "d/1", "e/x", "f"));
  EXPECT_TRUE(store.met);
}

// Overlapping globs once loaded a file twice in one run.
TEST_F(ListingFeedTest, MergesOverlappingGlobsInByteOrderWithoutDuplicates) {
  for (const char* name : {"d/a.json", "d/b.csv", "d/x/c.json", "d/x-1.json", "e/f.json", "g"}) put(name);
  const FeedPage page = feed({"e", "d/**/*.json", "d/*", "d/**", "g"});
  EXPECT_THAT(names(page), ElementsAre("d/a.json", "d/b.csv", "d/x-1.json", "d/x/c.json", "e/f.json", "g"));
  EXPECT_TRUE(page.in_byte_order);
  EXPECT_THAT(page.unmatched, IsEmpty());
}

// A glob without ** must not list folders that cannot match: a year of history costs a listing each run.
TEST_F(ListingFeedTest, DescendsOnlyWhereItCanMatch) {
  for (const char* name : {"d/2024/a.json", "d/2024/x/b.json", "d/2025/c.json", "d/y.json/inner.json", "d/z.json"}) put(name);
  EXPECT_THAT(names(feed({"d/*.json"})), ElementsAre("d/z.json"));
  EXPECT_THAT(names(feed({"d/202[45]/*.json"})), ElementsAre("d/2024/a.json", "d/2025/c.json"));
  EXPECT_THAT(names(feed({"d/2024/*/*"})), ElementsAre("d/2024/x/b.json"));
  EXPECT_THAT(names(feed({"d/{2025,y.json}"})), ElementsAre());
  EXPECT_THAT(names(feed({"d/{2025,y.json}/"})), ElementsAre("d/2025/c.json", "d/y.json/inner.json"));
}

// Writers' leftovers and markers are not data; a name that the user typed in full is.
TEST_F(ListingFeedTest, IgnoresNamesOnEveryLevelBelowTheFixedFolder) {
  for (const char* name : {"_in/a.json", "_in/_b.json", "_in/.c.json", "_in/d.json.tmp", "_in/_delta/e.json", "_in/x/.git/f", "_in/x/g"})
    put(name);
  EXPECT_THAT(names(feed({"_in"})), ElementsAre("_in/a.json", "_in/x/g"));
  EXPECT_THAT(names(feed({"_in/*"})), ElementsAre("_in/a.json"));
  EXPECT_THAT(names(feed({"_in/_b.json"})), ElementsAre("_in/_b.json"));
  EXPECT_THAT(names(feed({"_in/"}, {.ignore = {"x/*"}})),
              ElementsAre("_in/.c.json", "_in/_b.json", "_in/_delta/e.json", "_in/a.json", "_in/d.json.tmp", "_in/x/.git/f"));
  EXPECT_THAT(feed({"_in/.*"}).unmatched, SizeIs(1));
}

// A path around the warehouse finds the tables' own files, and loads them; one into it that is passed over finds nothing, without a word.
TEST_F(ListingFeedTest, PassesOverOwnFoldersUnlessAskedInto) {
  for (const char* name : {"a.json", "lake/t/data/1.parquet", "lake/in/b.json", "lakeside/c.json"}) put(name);
  const std::vector<std::string> own = {std::string(kRoot) + "lake/"};
  const auto feed_around = [&](std::string path) {
    path.insert(0, kRoot);
    return drain(*make_listing_feed(store_, {&path, 1}, {}, clock_, own).value());
  };
  const FeedPage around = feed_around("");
  EXPECT_THAT(names(around), ElementsAre("a.json", "lakeside/c.json"));
  ASSERT_THAT(around.warnings, SizeIs(1));
  EXPECT_EQ(around.warnings.front().message, own.front() + " is passed over: tables have their own files there");
  EXPECT_THAT(names(feed_around("**/*.json")), ElementsAre("a.json", "lakeside/c.json"));
  for (const char* into : {"lake", "lake/", "lake/*/**"}) EXPECT_THAT(names(feed_around(into)), SizeIs(2)) << into;
  EXPECT_THAT(names(feed_around("lake/in/b.json")), ElementsAre("lake/in/b.json"));
}

// Two paths of one source look at the same folder from different heights: what the one ignores the other may ask for.
TEST_F(ListingFeedTest, EachPathIgnoresBelowItsOwnFolder) {
  for (const char* name : {"d/_x/a", "d/_x/b", "d/c"}) put(name);
  EXPECT_THAT(names(feed({"d", "d/_x/"})), ElementsAre("d/_x/a", "d/_x/b", "d/c"));
  EXPECT_THAT(names(feed({"d/_x/", "d"})), ElementsAre("d/_x/a", "d/_x/b", "d/c"));
}

// Half-written files: too young, or their folder not yet marked as complete.
TEST_F(ListingFeedTest, WaitsForAgeAndMarker) {
  put("d/old");
  clock_.advance(std::chrono::seconds(60));
  put("d/young");
  put("m/a");
  put("m/_SUCCESS");
  put("n/a");
  const FeedPage aged = feed({"d"}, {.min_age = std::chrono::seconds(30)});
  EXPECT_THAT(names(aged), ElementsAre("d/old"));
  EXPECT_EQ(aged.waiting, 1);
  clock_.advance(std::chrono::seconds(30));
  EXPECT_THAT(names(feed({"d"}, {.min_age = std::chrono::seconds(30)})), SizeIs(2));
  EXPECT_THAT(names(feed({"d"}, {.modified_after = clock_.now() - std::chrono::seconds(31)})), ElementsAre("d/young"));

  const FeedPage marked = feed({"m", "n"}, {.marker = "_SUCCESS", .ignore = {}});
  EXPECT_THAT(names(marked), ElementsAre("m/a"));
  EXPECT_EQ(marked.waiting, 1);
  EXPECT_THAT(marked.unmatched, IsEmpty());
}

// A path typed by hand that matches nothing is a mistake that must be told; it must be named as it was typed.
TEST_F(ListingFeedTest, NamesPathsThatMatchNothing) {
  put("d/a.json");
  EXPECT_THAT(feed({"d/*.json", "d/*.csv", "missing"}).unmatched, ElementsAre("mem://b/d/*.csv", "mem://b/missing"));
}

// One such name must not stop the run, nor reach the ledger, which could not store it.
TEST_F(ListingFeedTest, KeepsBadNamesApart) {
  put("d/ok");
  put("d/bad\xFF");
  put("d/" + std::string(kFilePathBytesMax, 'x'));
  put("d/" + std::string(kFilePathBytesMax - kRoot.size() - 2, 'y'));
  const FeedPage page = feed({"d"});
  EXPECT_THAT(page.files, SizeIs(2));
  EXPECT_THAT(page.bad_names, SizeIs(2));
}

// Files whose names look like patterns could not be loaded at all.
TEST_F(ListingFeedTest, NamesWithPatternCharactersMatchThemselves) {
  for (const char* name : {"d/a[1].json", "d/a1.json", "{x}/y", "d/sp ace#%41?\n\xC3\xA9"}) put(name);
  EXPECT_THAT(names(feed({"d/a[1].json"})), ElementsAre("d/a1.json", "d/a[1].json"));
  EXPECT_THAT(names(feed({"{x}"})), ElementsAre("{x}/y"));
  EXPECT_THAT(names(feed({"d/sp ace#%41?\n\xC3\xA9"})), SizeIs(1));
}

// SeaweedFS and directory buckets: the merge with the ledger would take out-of-order pages for deleted and new files.
TEST_F(ListingFeedTest, SaysWhenTheStoreListsOutOfOrder) {
  MemoryStore store(clock_, {.page_entries_max = 3, .folder_order = true});
  for (const char* name : {"d/a/1", "d/a-1", "d/a.1", "d/b"}) {
    ASSERT_TRUE(store.put(std::string(kRoot) + name, std::string_view("x"), {}, context_));
  }
  const FeedPage page = feed_of(store, {"d", "d/*"});
  EXPECT_FALSE(page.in_byte_order);
  EXPECT_THAT(names(page), UnorderedElementsAre("d/a/1", "d/a-1", "d/a.1", "d/b"));
}

// Whatever the globs: the feed is the sorted set of what they match, over random trees.
TEST_F(ListingFeedTest, EqualsMatchingEveryPath) {
  std::mt19937 random(3);
  std::set<std::string> paths;
  const std::vector<std::string> parts = {"a", "b", "a-b", "a.b", "ab", "x1"};
  for (int i = 0; i < 150; ++i) {
    std::string name = "t";
    for (size_t depth = 1 + random() % 4; depth > 0; --depth) name += "/" + parts[random() % parts.size()];
    if (paths.insert(std::string(kRoot) + name + ".json").second) put(name + ".json");
  }
  const std::vector<std::string> globs = {"t/**",         "t/*",       "t/a*/*", "t/**/b.json", "t/a/**/x?.json",
                                          "t/{a,a-b}/b*", "t/[ab]/**", "t/a.b/", "t/*/*/*.*",   "t/b/**.b.json"};
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> chosen;
    std::set<std::string> wanted;
    for (size_t count = 1 + random() % 3; count > 0; --count) chosen.push_back(globs[random() % globs.size()]);
    for (const std::string& glob : chosen) {
      const Glob parsed = Glob::parse(std::string(kRoot) + glob).value();
      for (const std::string& path : paths) {
        if (parsed.matches(path)) wanted.insert(path.substr(kRoot.size()));
      }
    }
    const FeedPage page = feed(chosen);
    EXPECT_THAT(names(page), ElementsAreArray(std::vector<std::string>(wanted.begin(), wanted.end()))) << ::testing::PrintToString(chosen);
    EXPECT_TRUE(page.in_byte_order);
  }
}

// --files-from: the list's order and doubles are the user's; a wrong line must be named and must not stop the others.
TEST_F(ListingFeedTest, ExplicitListsAreSortedAndChecked) {
  for (const char* name : {"d/_b", "d/a"}) put(name);
  const std::vector<std::string> paths = {"mem://b/d/a", "mem://b/d/gone", "mem://b/d/_b", "mem://b/d/a"};
  const FeedPage page = drain(*make_explicit_feed(store_, paths).value());
  EXPECT_THAT(names(page), ElementsAre("d/_b", "d/a"));
  EXPECT_THAT(page.unmatched, ElementsAre("mem://b/d/gone"));
  EXPECT_THAT(page.warnings, SizeIs(1));
}

}  // namespace
}  // namespace sluice
