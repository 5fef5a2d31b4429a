#include "iceberg/append.h"

#include <gmock/gmock.h>

#include <set>

#include "base/ids.h"
#include "iceberg/test_metadata.h"
#include "storage/memory_store.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Pair;

/// A table in memory whose commits always succeed.
class AppendTest : public testing::Test {
 protected:
  AppendTest() { base_.metadata = test_table(); }

  StagedFile file(const std::string& name, int64_t rows) {
    StagedFile staged;
    staged.file.path = "mem://lake/t/data/" + name;
    staged.file.rows = rows, staged.file.size_bytes = rows * 10;
    staged.file.columns[1].value_count = rows;
    if (!base_.metadata.default_spec().fields.empty()) staged.partition = {std::string(name)};
    return staged;
  }

  std::vector<StagedManifest> stage(const std::vector<StagedFile>& files, int64_t snapshot_id) {
    auto staged = write_append_manifests(store_, base_.metadata, base_.metadata.default_spec_id, files, snapshot_id, "b1-", context_);
    EXPECT_TRUE(staged) << staged.error().message;
    return staged.value_or(std::vector<StagedManifest>{});
  }

  CommitPlan plan(const std::vector<StagedManifest>& staged, int64_t snapshot_id, SnapshotNotes notes = {}) {
    auto planned = plan_append(store_, base_, staged, snapshot_id, notes, clock_, context_);
    EXPECT_TRUE(planned) << planned.error().message;
    return planned.value_or(CommitPlan{});
  }

  void commit(const CommitPlan& planned) {
    auto changed = apply(base_.metadata, planned.change, clock_.now());
    ASSERT_TRUE(changed) << changed.error().message;
    base_.metadata = *std::move(changed);
  }

  void append(const std::string& name, int64_t rows) {
    const int64_t snapshot_id = new_snapshot_id();
    commit(plan(stage({file(name, rows)}, snapshot_id), snapshot_id));
  }

  std::vector<ManifestFile> manifests() {
    auto bytes = read_now(store_, {base_.metadata.current_snapshot()->manifest_list, "", {}});
    return *read_manifest_list(*bytes);
  }

  std::vector<ManifestEntry> live_files() {
    std::vector<ManifestEntry> found;
    auto walked = for_each_live_file(
        store_, base_.metadata,
        [&](const ManifestEntry& entry) -> Result<void> {
          found.push_back(entry);
          return {};
        },
        context_);
    EXPECT_TRUE(walked) << walked.error().message;
    return found;
  }

  ManualClock clock_;
  MemoryStore store_{clock_};
  Context context_;
  LoadedTable base_;
};

// Prevents summaries that Athena and Redshift refuse: all six totals, from zero, and rising with every append.
TEST_F(AppendTest, SaysAllTotals) {
  append("a", 3);
  EXPECT_THAT(base_.metadata.current_snapshot()->summary,
              IsSupersetOf({Pair("operation", "append"), Pair("added-data-files", "1"), Pair("added-records", "3"),
                            Pair("added-files-size", "30"), Pair("changed-partition-count", "1"), Pair("total-records", "3"),
                            Pair("total-files-size", "30"), Pair("total-data-files", "1"), Pair("total-delete-files", "0"),
                            Pair("total-position-deletes", "0"), Pair("total-equality-deletes", "0")}));
  append("b", 4);
  EXPECT_THAT(base_.metadata.current_snapshot()->summary,
              IsSupersetOf({Pair("total-records", "7"), Pair("total-files-size", "70"), Pair("total-data-files", "2")}));
}

// Prevents user keys from lying about the counts, and the mark from being lost: notes go along, computed keys win.
TEST_F(AppendTest, CarriesNotesAndProperties) {
  SnapshotNotes notes{{{"sluice.batch-id", "b1"}, {"total-records", "999"}, {"operation", "delete"}}, {{"mark", "m"}}, {}, "b1-"};
  const auto staged = stage({file("a", 3)}, 11);
  const CommitPlan planned = plan(staged, 11, notes);
  EXPECT_THAT(planned.objects, ElementsAre(HasSubstr("/metadata/b1-snap-11-")));
  EXPECT_THAT(staged.at(0).manifest.path, HasSubstr("/metadata/b1-m0-"));
  commit(planned);
  EXPECT_THAT(base_.metadata.current_snapshot()->summary,
              IsSupersetOf({Pair("sluice.batch-id", "b1"), Pair("total-records", "3"), Pair("operation", "append")}));
  EXPECT_EQ(base_.metadata.properties.at("mark"), "m");
}

// Prevents a batch from landing on a table that moved, and rows with the sequence number of a refused attempt: the same staged manifest
// serves the next attempt, and takes that attempt's number.
TEST_F(AppendTest, StagedManifestsServeTheNextAttempt) {
  const auto staged = stage({file("a", 3)}, 11);
  const CommitPlan first = plan(staged, 11);
  append("foreign", 1);
  EXPECT_EQ(apply(base_.metadata, first.change, clock_.now()).error().code, ErrorCode::kConflict);
  const CommitPlan second = plan(staged, 11);
  EXPECT_NE(first.objects, second.objects);
  commit(second);
  EXPECT_EQ(base_.metadata.current_snapshot()->sequence_number, 2);
  std::map<std::string, int64_t> numbers;
  for (const ManifestEntry& entry : live_files()) numbers[entry.file.file_path] = entry.sequence_number.value_or(-9);
  EXPECT_THAT(numbers, ElementsAre(Pair("mem://lake/t/data/a", 2), Pair("mem://lake/t/data/foreign", 1)));
}

// Prevents a prepared batch from being published with other manifests after a crash: the record survives its text form.
TEST_F(AppendTest, StagedManifestsSurviveTheLedger) {
  base_.metadata = test_table({{2, 1000, "city", "identity"}});
  const auto staged = stage({file("a", 3), file(std::string("\xff\0", 2), 4)}, 11);
  auto read = parse_staged_manifests(to_json(staged));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(staged));
  EXPECT_EQ(read->at(0).manifest.partitions.at(0).upper_bound, staged[0].manifest.partitions.at(0).upper_bound);
  EXPECT_EQ(read->at(0).manifest.sequence_number, kSequenceNumberNotAssigned);
  EXPECT_EQ(read->at(0).changed_partitions, 2);
  EXPECT_FALSE(parse_staged_manifests(R"({"v": 2})"));
  EXPECT_FALSE(parse_staged_manifests("["));
}

// Prevents a table of a thousand small loads from having a thousand manifests, each opened by every query; no file is lost or doubled by
// merging, and each keeps the number it came with.
TEST_F(AppendTest, AThousandAppendsLeaveFewManifests) {
  for (int i = 0; i < 1000; ++i) append("f" + std::to_string(i), 1);
  EXPECT_LT(manifests().size(), 105U);
  std::set<std::string> paths;
  for (const ManifestEntry& entry : live_files()) {
    paths.insert(entry.file.file_path);
    EXPECT_EQ(entry.file.file_path, "mem://lake/t/data/f" + std::to_string(*entry.sequence_number - 1));
    EXPECT_EQ(entry.file.value_counts.at(1), 1);
  }
  EXPECT_EQ(paths.size(), 1000U);
  EXPECT_EQ(base_.metadata.current_snapshot()->summary.at("total-records"), "1000");
  int64_t rows = 0;
  for (const ManifestFile& manifest : manifests()) rows += manifest.added_rows + manifest.existing_rows;
  EXPECT_EQ(rows, 1000);
}

// Prevents a staged manifest that no snapshot names (it would lie there for ever), and a refused attempt's number in our entries: the
// table's manifests are merged anew in each attempt, the batch's own is committed as it is.
TEST_F(AppendTest, MergesTheTablesManifestsOnly) {
  append("a", 1);
  append("c", 1);
  base_.metadata.properties["commit.manifest.min-count-to-merge"] = "3";
  const auto staged = stage({file("b", 1)}, 11);
  const CommitPlan refused = plan(staged, 11);
  EXPECT_EQ(refused.objects.size(), 2U) << "a merged manifest and the list";
  base_.metadata.properties["commit.manifest.min-count-to-merge"] = "9";
  append("foreign", 1);
  base_.metadata.properties["commit.manifest.min-count-to-merge"] = "4";
  commit(plan(staged, 11));
  ASSERT_EQ(manifests().size(), 2U);
  EXPECT_EQ(manifests()[0].path, staged[0].manifest.path);
  EXPECT_EQ(manifests()[1].added_files, 0);
  EXPECT_EQ(manifests()[1].existing_files, 3);
  EXPECT_EQ(manifests()[1].min_sequence_number, 1);
  EXPECT_EQ(manifests()[1].sequence_number, 4);
  for (const ManifestEntry& entry : live_files()) {
    const bool ours = entry.file.file_path.ends_with("/b");
    EXPECT_EQ(entry.status, ours ? EntryStatus::kAdded : EntryStatus::kExisting);
    EXPECT_EQ(entry.snapshot_id == 11, ours);
    EXPECT_EQ(entry.sequence_number == 4, ours);
  }
}

// Prevents merging against the table's wish, across specs (one manifest holds one spec), and above the wanted size.
TEST_F(AppendTest, MergesOnlyWhatTheTableAllows) {
  auto& properties = base_.metadata.properties;
  properties["commit.manifest.min-count-to-merge"] = "2";
  append("a", 1);
  append("b", 1);
  auto change = plan_spec_change(base_.metadata, {0, {{2, 0, "city", "identity"}}});
  ASSERT_TRUE(change);
  base_.metadata = *apply(base_.metadata, *change, clock_.now());
  append("c", 1);
  append("d", 1);
  EXPECT_EQ(manifests().size(), 4U);

  properties["commit.manifest-merge.enabled"] = "false";
  append("e", 1);
  EXPECT_EQ(manifests().size(), 5U);
  properties["commit.manifest-merge.enabled"] = "true";
  properties["commit.manifest.target-size-bytes"] = "10";
  append("f", 1);
  EXPECT_EQ(manifests().size(), 6U);
  properties.erase("commit.manifest.target-size-bytes");
  append("g", 1);
  EXPECT_EQ(manifests().size(), 4U) << "a, b, those of the new spec in one, g";
}

/// What a foreign compaction leaves: a manifest that says only that files were deleted.
ManifestFile only_deleted(const ManifestFile& like) {
  ManifestFile manifest = like;
  manifest.added_files = manifest.existing_files = 0, manifest.deleted_files = 1;
  return manifest;
}

// Prevents the list from growing for ever with manifests of files that an older snapshot deleted.
TEST_F(AppendTest, DropsManifestsWithoutLiveFiles) {
  append("a", 1);
  const std::vector<ManifestFile> listed = {manifests()[0], only_deleted(manifests()[0])};
  auto bytes = write_manifest_list(listed, 5, std::nullopt, 1);
  base_.metadata.snapshots[0].manifest_list = "mem://lake/t/metadata/foreign.avro";
  ASSERT_TRUE(store_.put("mem://lake/t/metadata/foreign.avro", *bytes, {}, context_));
  append("b", 1);
  EXPECT_EQ(manifests().size(), 2U);
  EXPECT_EQ(live_files().size(), 2U);
}

// Prevents a request in flight from landing after its batch was given up: the fence moves main and adds nothing.
TEST_F(AppendTest, AFenceMovesMainOnly) {
  append("a", 3);
  const auto staged = stage({file("late", 1)}, 11);
  const CommitPlan late = plan(staged, 11);
  auto fence = plan_fence(store_, base_, 12, {}, clock_, context_);
  ASSERT_TRUE(fence) << fence.error().message;
  commit(*fence);
  EXPECT_EQ(apply(base_.metadata, late.change, clock_.now()).error().code, ErrorCode::kConflict);
  EXPECT_EQ(live_files().size(), 1U);
  EXPECT_EQ(base_.metadata.current_snapshot()->summary.at("total-records"), "3");
}

// Prevents overwriting what another attempt wrote, and a first commit that is unconditional.
TEST_F(AppendTest, TheFirstCommitRequiresAnEmptyTable) {
  const CommitPlan first = plan(stage({file("a", 3)}, 11), 11);
  append("foreign", 1);
  auto refused = apply(base_.metadata, first.change, clock_.now());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
}

// Prevents rule P from missing our files because another writer spells local paths its own way, and from finding others' files.
TEST_F(AppendTest, FindsLivePathsInEverySpelling) {
  StagedFile local = file("x", 1);
  local.file.path = "file:/lake/t/data/batch-1/city=a/x.parquet";
  commit(plan(stage({local}, 11), 11));
  const auto there = [&](const std::string& path) {
    return live_paths_contain(store_, base_.metadata, {"mem://no", path}, context_).value();
  };
  EXPECT_TRUE(there("file:///lake/t/data/batch-1/"));
  EXPECT_TRUE(there("/lake/t/data/batch-1/"));
  EXPECT_TRUE(there("file:/lake/t/data/batch-1/city=a/x.parquet"));
  EXPECT_FALSE(there("file:///lake/t/data/batch-1"));
  EXPECT_FALSE(there("file:///lake/t/data/batch-11/"));
  EXPECT_FALSE(live_paths_contain(store_, test_table(), {"file:///lake/"}, context_).value());
}

// Prevents one place from looking like two: every spelling of a local path is one, other URIs stay as they are.
TEST(NormalizedPath, OneSpellingPerPlace) {
  for (const char* path : {"/a/b c", "file:/a/b c", "file:///a/b c", "file://localhost/a/b c", "file:////a/b c"}) {
    EXPECT_EQ(normalized_path(path), "file:///a/b c") << path;
  }
  EXPECT_EQ(normalized_path("s3://b//k"), "s3://b//k");
  EXPECT_EQ(normalized_path("file://host/a"), "file:///host/a");
}

// Prevents schema changes that Iceberg forbids, and field ids given twice: a dropped column's id is never used again.
TEST(SchemaChange, AllowsOnlyWhatReadersCanFollow) {
  TableMetadata base = test_table();
  base.last_column_id = 20;
  const auto wanted = [&](auto edit) {
    Schema schema = test_schema();
    edit(schema.fields);
    return plan_schema_change(base, schema);
  };
  auto added = wanted([](auto& fields) { fields.push_back({0, "new", false, make_list(make_type(TypeId::kLong))}); });
  ASSERT_TRUE(added) << added.error().message;
  const TableMetadata changed = *apply(base, *added, {0});
  EXPECT_EQ(changed.current_schema().find("new")->id, 21);
  EXPECT_EQ(changed.last_column_id, 22);
  EXPECT_TRUE(wanted([](auto& fields) { fields[3].type = make_decimal(12, 2); }));
  EXPECT_FALSE(wanted([](auto& fields) { fields[3].type = make_decimal(9, 3); }));
  EXPECT_FALSE(wanted([](auto& fields) { fields[0].type = make_type(TypeId::kInt); }));
  EXPECT_FALSE(wanted([](auto& fields) { fields[0].type = make_type(TypeId::kString); }));
  EXPECT_FALSE(wanted([](auto& fields) { fields[0].required = true; }));
  EXPECT_FALSE(wanted([](auto& fields) { fields.pop_back(); }));
  EXPECT_FALSE(wanted([](auto& fields) { fields.push_back({0, "new", true, make_type(TypeId::kLong)}); }));
}

}  // namespace
}  // namespace sluice
