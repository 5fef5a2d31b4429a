// What every ObjectStore promises, run over each implementation.
#include "storage/object_store.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "storage/local_store.h"
#include "storage/memory_store.h"
#include "storage/stores.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual ObjectStore& store() = 0;
  virtual std::string root() = 0;  // ends in '/'
  virtual bool in_byte_order() const { return true; }
  /// Also line feeds, backslashes and bytes that are no UTF-8.
  virtual bool takes_any_name() const { return true; }
  virtual bool honours_start_after() const { return true; }
  virtual bool keeps_metadata() const { return true; }
};

class LocalUnderTest final : public StoreUnderTest {
 public:
  LocalUnderTest() : folder_(std::filesystem::temp_directory_path() / ("sluice-store-" + new_uuid())) {
    std::filesystem::create_directories(folder_);
  }
  ~LocalUnderTest() override { std::filesystem::remove_all(folder_); }
  ObjectStore& store() override { return store_; }
  std::string root() override { return "file://" + folder_.string() + "/"; }
  bool keeps_metadata() const override { return false; }

 private:
  const std::filesystem::path folder_;
  LocalStore store_;
};

class MemoryUnderTest final : public StoreUnderTest {
 public:
  explicit MemoryUnderTest(MemoryStoreOptions options) : options_(options), store_(clock_, options) {}
  ObjectStore& store() override { return store_; }
  std::string root() override { return "mem://bucket/"; }
  bool in_byte_order() const override { return !options_.folder_order; }

 private:
  const MemoryStoreOptions options_;
  ManualClock clock_;
  MemoryStore store_;
};

/// A real server (SLUICE_TEST_S3, its bucket in SLUICE_TEST_S3_BUCKET), below a prefix of its own.
class S3UnderTest final : public StoreUnderTest {
 public:
  static std::optional<std::string> variable(const char* name) { return process_environment()(name); }

  ObjectStore& store() override { return *store_; }
  std::string root() override { return "s3://" + variable("SLUICE_TEST_S3_BUCKET").value_or("sluice") + "/" + unique_ + "/"; }
  bool in_byte_order() const override { return in_byte_order_; }
  bool takes_any_name() const override { return false; }
  bool honours_start_after() const override { return in_byte_order_; }

 private:
  /// Servers that walk folders list "a/b" before "a-b".
  bool lists_in_byte_order() {
    Context context;
    for (const char* name : {"a/b", "a-b"}) EXPECT_TRUE(store_->put(root() + "order/" + name, std::string_view("x"), {}, context));
    const Result<ListPage> page = store_->list({.prefix = root() + "order/"}, context);
    EXPECT_TRUE(page);
    const bool sorted = page && page->in_byte_order;
    EXPECT_TRUE(store_->remove(std::vector<VersionedKey>{{root() + "order/a/b", ""}, {root() + "order/a-b", ""}}, context));
    return sorted;
  }

  const std::string unique_ = "conformance-" + new_uuid();
  SystemClock clock_;
  Stores stores_{clock_};
  ObjectStore* const store_ =
      stores_.store_for(root(), {{"s3.endpoint", variable("SLUICE_TEST_S3").value_or("http://127.0.0.1:1")}, {"s3.region", "us-east-1"}})
          .value();
  const bool in_byte_order_ = !variable("SLUICE_TEST_S3") || lists_in_byte_order();
};

struct Kind {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class ObjectStoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().name == "S3" && !S3UnderTest::variable("SLUICE_TEST_S3")) GTEST_SKIP() << "SLUICE_TEST_S3 is not set";
  }

  ObjectInfo put(const std::string& name, const std::string& bytes, PutOptions options = {}) {
    Result<ObjectInfo> info = store_.put(root_ + name, bytes, options, context_);
    EXPECT_TRUE(info) << info.error().message;
    return info.value_or(ObjectInfo{});
  }

  // Every page of a listing; checks what holds for each.
  ListPage list(ListRequest request) {
    request.prefix = root_ + request.prefix;
    ListPage all;
    for (;;) {
      Result<ListPage> page = store_.list(request, context_);
      EXPECT_TRUE(page) << page.error().message;
      if (!page) return all;
      EXPECT_LE(static_cast<int64_t>(page->objects.size() + page->prefixes.size()), request.limit);
      for (ObjectInfo& object : page->objects) all.objects.push_back(std::move(object));
      for (Key& prefix : page->prefixes) all.prefixes.push_back(std::move(prefix));
      all.in_byte_order = page->in_byte_order;
      if (page->next_token.empty()) return all;
      request.token = page->next_token;
    }
  }

  std::vector<std::string> names(const ListRequest& request) {
    std::vector<std::string> names;
    for (const ObjectInfo& object : list(request).objects) names.push_back(object.path.substr(root_.size()));
    if (!tested_->in_byte_order()) std::sort(names.begin(), names.end());
    return names;
  }

  std::string read_all(Blob& blob, size_t step) {
    auto source = blob.open({}, context_);
    EXPECT_TRUE(source) << source.error().message;
    std::string all;
    std::vector<char> block(step);
    for (;;) {
      Result<size_t> count = (*source)->read(block, context_);
      EXPECT_TRUE(count) << count.error().message;
      if (!count || *count == 0) return all;
      all.append(block.data(), *count);
    }
  }

  const std::unique_ptr<StoreUnderTest> tested_ = GetParam().make();
  ObjectStore& store_ = tested_->store();
  const std::string root_ = tested_->root();
  Context context_;
};

// A write that returned must be readable, under the very name given: percent signs and newlines were once decoded or cut by others.
TEST_P(ObjectStoreTest, KeepsNamesRaw) {
  for (const std::string name : {"a b.json", "it's \"q\".json", "100%25.json", "x#y?z.json", "line\nbreak.json", "\xF0\x9F\x98\x80.json",
                                 "glob[1]*.json", "back\\slash", "deep/er/\xC3\xA9", "a+b&c=d;e,f.json", "~!$'()@:<>.json"}) {
    if (!tested_->takes_any_name() && name.find_first_of("\\\n") != std::string::npos) continue;
    const ObjectInfo info = put(name, name);
    EXPECT_EQ(info.path, root_ + name);
    EXPECT_EQ(read_now(store_, {root_ + name, info.version, {}}).value_or("missing"), name);
    EXPECT_EQ(store_.stat(root_ + name, context_)->version, info.version);
    EXPECT_THAT(names({.prefix = name}), ElementsAre(name));
  }
}

// Two workers that write the same metadata file: the second must lose, and the first one's bytes stay.
TEST_P(ObjectStoreTest, IfNoneMatchRefusesAnExistingObject) {
  put("m/v1.json", "first", {.if_none_match = true});
  const auto second = store_.put(root_ + "m/v1.json", std::string_view("second"), {.if_none_match = true}, context_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_EQ(read_now(store_, {root_ + "m/v1.json", "", {}}).value(), "first");
  EXPECT_THAT(names({}), ElementsAre("m/v1.json"));
}

// A worker that replaces what it looked at must lose where somebody replaced it meanwhile; and nothing must come where nothing is.
TEST_P(ObjectStoreTest, IfMatchReplacesOnlyWhatWasSeen) {
  const ObjectInfo seen = put("k", "first");
  const ObjectInfo now = put("k", "second", {.if_match = seen.version});
  EXPECT_NE(now.version, seen.version);
  const auto late = store_.put(root_ + "k", std::string_view("late"), {.if_match = seen.version}, context_);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict);
  EXPECT_EQ(read_now(store_, {root_ + "k", "", {}}).value(), "second");
  EXPECT_FALSE(store_.put(root_ + "gone", std::string_view("x"), {.if_match = seen.version}, context_));
  EXPECT_THAT(names({}), ElementsAre("k"));
}

// What an object was made from is asked of it: metadata must come back as it was put, whichever way the object was written.
TEST_P(ObjectStoreTest, HeadTellsTheMetadata) {
  const ObjectMetadata metadata = {{"sluice-rows", "7"}, {"sluice-source", "file%3A///a%20b.csv"}};
  const ObjectInfo info = put("k", "bytes", {.metadata = metadata});
  auto head = store_.head(root_ + "k", context_);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->info.version, info.version);
  EXPECT_EQ(head->info.size_bytes, 5);
  if (tested_->keeps_metadata()) {
    for (const auto& [name, value] : metadata) EXPECT_EQ(head->metadata[name], value) << name;
  }
  EXPECT_EQ(store_.head(root_ + "gone", context_).error().code, ErrorCode::kNotFound);
}

// A version that stays the same over an overwrite would hide a change from discovery.
TEST_P(ObjectStoreTest, OverwritingChangesTheVersionAndStopsReadersOfTheOld) {
  const ObjectInfo old = put("a", "old");
  const ObjectInfo now = put("a", "newer");
  EXPECT_NE(old.version, now.version);
  const auto read = read_now(store_, {root_ + "a", old.version, {}});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kConflict);
  EXPECT_EQ(read.error().type, "ChangedWhileRead");
  auto blob = open_blob(store_, old);
  auto source = blob->open({}, context_);
  char byte[16];
  if (source) {
    const Result<size_t> count = (*source)->read(byte, context_);
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().type, "ChangedWhileRead");
  } else {
    EXPECT_EQ(source.error().type, "ChangedWhileRead");
  }
}

// Row groups and splits read ranges: an end one byte off loses or doubles a row.
TEST_P(ObjectStoreTest, ReadsRanges) {
  const ObjectInfo info = put("a", "0123456789");
  const auto range = [&](int64_t offset, int64_t length) { return read_now(store_, {info.path, info.version, {offset, length}}).value(); };
  EXPECT_EQ(range(2, 3), "234");
  EXPECT_EQ(range(8, 100), "89");
  EXPECT_EQ(range(7, -1), "789");
  EXPECT_EQ(range(10, 5), "");
  EXPECT_EQ(range(50, -1), "");
  auto source = open_blob(store_, info)->open({3, 4}, context_);
  std::string into(10, '.');
  EXPECT_EQ((*source)->read(into, context_).value(), 4U);
  EXPECT_EQ(into, "3456......");
}

// Blocks that are joined wrongly at their borders corrupt large files only.
TEST_P(ObjectStoreTest, BlobsReadLargeObjectsWholeInAnySteps) {
  std::string bytes(static_cast<size_t>(2 * kReadBlockBytes + 12345), '\0');
  std::mt19937 random(7);
  for (char& byte : bytes) byte = static_cast<char>(random());
  const ObjectInfo info = put("big", bytes);
  EXPECT_EQ(info.size_bytes, static_cast<int64_t>(bytes.size()));
  auto blob = open_blob(store_, info);
  EXPECT_EQ(blob->size_bytes(), info.size_bytes);
  for (const size_t step : {size_t{1000}, static_cast<size_t>(kReadBlockBytes), bytes.size() + 1}) {
    EXPECT_TRUE(read_all(*blob, step) == bytes) << step;
  }
}

// An empty file is a file: it must not read as an error, or as the end before it was checked.
TEST_P(ObjectStoreTest, EmptyObjectsAreObjects) {
  const ObjectInfo info = put("empty", "");
  EXPECT_EQ(info.size_bytes, 0);
  EXPECT_EQ(read_all(*open_blob(store_, info), 10), "");
  EXPECT_THAT(names({}), ElementsAre("empty"));
}

// A missing object is an answer of its own: discovery turns it into SKIPPED, not FAILED.
TEST_P(ObjectStoreTest, MissingObjectsAreNotFound) {
  EXPECT_EQ(store_.stat(root_ + "x", context_).error().code, ErrorCode::kNotFound);
  const auto read = read_now(store_, {root_ + "x", "", {}});
  EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read.error().type, "Vanished");
  EXPECT_THAT(names({.prefix = "no/such/folder/"}), IsEmpty());
}

// A crash between parts must leave nothing that a listing shows as data.
TEST_P(ObjectStoreTest, UploadsAppearWholeOrNotAtAll) {
  auto upload = store_.start_upload(root_ + "d/up", {.if_none_match = true}, context_);
  ASSERT_TRUE(upload) << upload.error().message;
  std::string expected;
  for (int part = 0; part < 5; ++part) {
    const std::string bytes(static_cast<size_t>(100'000 * (part + 1)), static_cast<char>('a' + part));
    ASSERT_TRUE((*upload)->write(bytes, context_));
    expected += bytes;
  }
  EXPECT_EQ(store_.stat(root_ + "d/up", context_).error().code, ErrorCode::kNotFound);
  const Result<ObjectInfo> info = (*upload)->complete(context_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_TRUE(read_now(store_, {root_ + "d/up", info->version, {}}).value() == expected);
  EXPECT_FALSE((*upload)->complete(context_));
  EXPECT_FALSE((*upload)->write(std::string_view("late"), context_));
}

// A failed file drops its upload; what stayed behind would be an orphan, or worse, data.
TEST_P(ObjectStoreTest, DroppedAndAbortedUploadsLeaveNothing) {
  for (const bool if_none_match : {true, false}) {
    auto dropped = store_.start_upload(root_ + "dropped", {.if_none_match = if_none_match}, context_);
    ASSERT_TRUE((*dropped)->write(std::string(1'000'000, 'x'), context_));
    dropped->reset();
    auto aborted = store_.start_upload(root_ + "aborted", {.if_none_match = if_none_match}, context_);
    ASSERT_TRUE((*aborted)->write(std::string_view("x"), context_));
    ASSERT_TRUE((*aborted)->abort(context_));
    EXPECT_FALSE((*aborted)->complete(context_));
  }
  EXPECT_THAT(names({}), IsEmpty());
}

// Two uploads to one name: with if_none_match exactly one may win, whichever ends first.
TEST_P(ObjectStoreTest, TheLaterOfTwoConditionalUploadsLoses) {
  auto first = store_.start_upload(root_ + "k", {.if_none_match = true}, context_);
  auto second = store_.start_upload(root_ + "k", {.if_none_match = true}, context_);
  ASSERT_TRUE((*first)->write(std::string_view("1"), context_));
  ASSERT_TRUE((*second)->write(std::string_view("2"), context_));
  ASSERT_TRUE((*second)->complete(context_));
  EXPECT_EQ((*first)->complete(context_).error().code, ErrorCode::kConflict);
  EXPECT_EQ(read_now(store_, {root_ + "k", "", {}}).value(), "2");
}

// Moving a loaded file away must not overwrite another of that name, nor lose what it carries.
TEST_P(ObjectStoreTest, CopyKeepsBytesAndMetadataAndHonoursConditions) {
  put("a", "bytes", {.metadata = {{"owner", "me"}}});
  ASSERT_TRUE(store_.copy(root_ + "a", root_ + "done/a", {.if_none_match = true}, context_));
  EXPECT_EQ(read_now(store_, {root_ + "done/a", "", {}}).value(), "bytes");
  EXPECT_EQ(store_.head(root_ + "done/a", context_)->metadata["owner"], tested_->keeps_metadata() ? "me" : "");
  EXPECT_EQ(store_.copy(root_ + "a", root_ + "done/a", {.if_none_match = true}, context_).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store_.copy(root_ + "gone", root_ + "b", {}, context_).error().code, ErrorCode::kNotFound);
}

// Withdrawal deletes again and again: a missing object is no error, a changed one must stay.
TEST_P(ObjectStoreTest, RemovesOnlyTheVersionNamed) {
  const ObjectInfo one = put("one", "1");
  const ObjectInfo two = put("two", "2");
  put("two", "22");
  put("three", "3");
  const std::vector<VersionedKey> keys = {
      {one.path, one.version}, {two.path, two.version}, {root_ + "three", ""}, {root_ + "never", ""}, {root_ + "no/folder/x", "v"}};
  const auto outcomes = store_.remove(keys, context_);
  ASSERT_TRUE(outcomes) << outcomes.error().message;
  ASSERT_EQ(outcomes->size(), keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ((*outcomes)[i].key, keys[i].key);
    EXPECT_EQ((*outcomes)[i].error.has_value(), i == 1) << i;
  }
  EXPECT_EQ((*outcomes)[1].error->code, ErrorCode::kConflict);
  EXPECT_THAT(names({}), ElementsAre("two"));
}

// The merge with the ledger relies on byte order of whole paths: "a-b" < "a.b" < "a/b" < "a0".
TEST_P(ObjectStoreTest, ListsInByteOrderOfFullPathsOrSaysThatItDoesNot) {
  for (const std::string name : {"a/b", "a-b", "a.b", "a0", "a/b/c.json", "a", "b/a", "B"}) {
    if (name == "a" || name == "a/b") continue;  // a folder cannot also be a file
    put(name, "x");
  }
  const ListPage all = list({.limit = 2});
  EXPECT_EQ(all.in_byte_order, tested_->in_byte_order());
  EXPECT_EQ(std::is_sorted(all.objects.begin(), all.objects.end(), [](const auto& a, const auto& b) { return a.path < b.path; }),
            tested_->in_byte_order());
  EXPECT_THAT(names({.limit = 3}), ElementsAre("B", "a-b", "a.b", "a/b/c.json", "a0", "b/a"));
}

// A group listed once per page, or lost between two, hides or doubles a folder.
TEST_P(ObjectStoreTest, GroupsByDelimiter) {
  for (const std::string name : {"x/a/1", "x/a/2", "x/a-b", "x/c/d/e", "y"}) put(name, "x");
  const ListPage page = list({.prefix = "x/", .delimiter = true, .limit = 1});
  EXPECT_THAT(page.prefixes, ElementsAre(root_ + "x/a/", root_ + "x/c/"));
  ASSERT_EQ(page.objects.size(), 1U);
  EXPECT_EQ(page.objects[0].path, root_ + "x/a-b");
}

// A property over random trees: whatever the page size, prefix and start, the listing is the sorted list of what was put.
TEST_P(ObjectStoreTest, ListsRandomTreesCompletely) {
  std::mt19937 random(20261121);
  const std::string letters = tested_->takes_any_name() ? "ab-./0_~\xC3" : "ab-./0_~+";
  for (int round = 0; round < 12; ++round) {
    const std::string tree = "t" + std::to_string(round) + "/";
    std::set<std::string> wanted;
    for (int i = 0; i < 60; ++i) {
      std::string name;
      for (size_t length = 1 + random() % 8; name.size() < length;) name += letters[random() % letters.size()];
      // No empty, "." or ".." component, and no file that another path uses as its folder.
      bool usable = !("/" + name + "/").contains("//") && !("/" + name + "/").contains("/./") && !("/" + name + "/").contains("/../");
      for (const std::string& other : wanted) {
        usable = usable && !other.starts_with(tree + name + "/") && !(tree + name).starts_with(other + "/");
      }
      if (usable && wanted.insert(tree + name).second) put(tree + name, "x");
    }
    const std::vector<std::string> sorted(wanted.begin(), wanted.end());
    EXPECT_THAT(names({.prefix = tree, .limit = 1 + static_cast<int64_t>(random() % 9)}), ElementsAreArray(sorted));
    for (int probe = 0; probe < 10; ++probe) {
      const std::string& start = sorted[random() % sorted.size()];
      const std::string cut = start.substr(0, tree.size() + random() % (start.size() - tree.size() + 1));
      std::vector<std::string> after, below;
      for (const std::string& name : sorted) {
        if (name > cut) after.push_back(name);
        if (name.starts_with(cut)) below.push_back(name);
      }
      if (tested_->honours_start_after()) {
        EXPECT_THAT(names({.prefix = tree, .start_after = root_ + cut, .limit = 7}), ElementsAreArray(after)) << cut;
      }
      EXPECT_THAT(names({.prefix = cut, .limit = 7}), ElementsAreArray(below)) << cut;
    }
  }
}

// Stopping a run must not wait for a listing of a million files.
TEST_P(ObjectStoreTest, StopsOnRequest) {
  std::stop_source stop;
  context_.stop = stop.get_token();
  stop.request_stop();
  EXPECT_EQ(store_.list({.prefix = root_}, context_).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(store_.put(root_ + "a", std::string_view("x"), {}, context_).error().code, ErrorCode::kCancelled);
}

INSTANTIATE_TEST_SUITE_P(Stores, ObjectStoreTest,
                         ::testing::Values(Kind{"Local", [] { return std::make_unique<LocalUnderTest>(); }},
                                           Kind{"Memory", [] { return std::make_unique<MemoryUnderTest>(MemoryStoreOptions{}); }},
                                           Kind{"MemoryInFolderOrder",
                                                [] {
                                                  return std::make_unique<MemoryUnderTest>(
                                                      MemoryStoreOptions{.page_entries_max = 3, .folder_order = true});
                                                }},
                                           Kind{"S3", [] { return std::make_unique<S3UnderTest>(); }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice
