#include "iceberg/table_change.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "iceberg/test_metadata.h"

namespace sluice {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr Timestamp kNow{1'800'000'000'000'000};

TableMetadata applied(const TableMetadata& base, const TableChange& change, Timestamp now = kNow) {
  auto table = apply(base, change, now);
  EXPECT_TRUE(table) << table.error().message;
  return table.value_or(base);
}

// Prevents a commit on a table that is no longer the one that was loaded: every requirement refuses as a conflict, and says what it saw.
TEST(TableChange, EveryRequirementIsHeld) {
  const TableMetadata table = applied(test_table(), move_main(test_snapshot(11, 1)));
  const std::vector<std::pair<TableRequirement, bool>> cases = {
      {AssertCreate{}, false},
      {AssertTableUuid{table.table_uuid}, true},
      {AssertTableUuid{"other"}, false},
      {AssertRefSnapshotId{"main", 11}, true},
      {AssertRefSnapshotId{"main", 12}, false},
      {AssertRefSnapshotId{"main", std::nullopt}, false},
      {AssertRefSnapshotId{"other", std::nullopt}, true},
      {AssertCurrentSchemaId{0}, true},
      {AssertCurrentSchemaId{1}, false},
      {AssertLastAssignedFieldId{6}, true},
      {AssertLastAssignedFieldId{5}, false},
      {AssertDefaultSpecId{0}, true},
      {AssertDefaultSpecId{1}, false},
      {AssertLastAssignedPartitionId{999}, true},
      {AssertLastAssignedPartitionId{1000}, false},
      {AssertDefaultSortOrderId{0}, true},
      {AssertDefaultSortOrderId{1}, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    auto result = apply(table, {{cases[i].first}, {}}, kNow);
    EXPECT_EQ(result.has_value(), cases[i].second) << "case " << i;
    if (!result) {
      EXPECT_EQ(result.error().code, ErrorCode::kConflict) << "case " << i;
    }
  }
}

// Prevents history that readers refuse: last-updated never goes back (a clock that does), and the log follows main only.
TEST(TableChange, TimeNeverGoesBack) {
  TableMetadata table = applied(test_table(), move_main(test_snapshot(11, 1)), kNow);
  EXPECT_EQ(table.last_updated_ms, kNow.micros / 1000);
  table = applied(table, {{}, {SetProperties{{{"a", "b"}}}}}, Timestamp{0});
  EXPECT_EQ(table.last_updated_ms, kNow.micros / 1000);
  ASSERT_EQ(table.snapshot_log.size(), 1U);
  EXPECT_EQ(table.snapshot_log[0].snapshot_id, 11);
  table = applied(table, {{}, {SetSnapshotRef{"audit", {.snapshot_id = 11, .type = "tag"}}}});
  EXPECT_EQ(table.snapshot_log.size(), 1U);
}

// Prevents two snapshots with one number: readers order deletes by it.
TEST(TableChange, SequenceNumbersRise) {
  const TableMetadata table = applied(test_table(), move_main(test_snapshot(11, 5)));
  EXPECT_EQ(table.last_sequence_number, 5);
  for (const auto& [id, number] : {std::pair{12, 5}, std::pair{12, 4}, std::pair{11, 6}}) {
    auto refused = apply(table, move_main(test_snapshot(id, number)), kNow);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  }
}

// Prevents a heap of equal schemas and specs: adding what is there gives its old id, and field ids of old columns are never given again.
TEST(TableChange, ReusesEqualSchemasAndSpecs) {
  TableMetadata table = test_table();
  Schema wider = test_schema();
  wider.fields.push_back({7, "extra", false, make_type(TypeId::kLong)});
  table = applied(table, {{}, {AddSchema{wider}, SetCurrentSchema{kLastAdded}}});
  EXPECT_EQ(table.current_schema_id, 1);
  EXPECT_EQ(table.last_column_id, 7);
  table = applied(table, {{}, {AddSchema{test_schema()}, SetCurrentSchema{kLastAdded}}});
  EXPECT_EQ(table.current_schema_id, 0);
  EXPECT_EQ(table.schemas.size(), 2U);
  EXPECT_EQ(table.last_column_id, 7);

  const PartitionSpec by_city{0, {{2, 0, "city", "identity"}}};
  table = applied(table, {{}, {AddSpec{by_city}, SetDefaultSpec{kLastAdded}}});
  EXPECT_EQ(table.default_spec_id, 1);
  EXPECT_EQ(table.default_spec().fields[0].field_id, 1000);
  table = applied(table, {{}, {AddSpec{{0, {{2, 0, "city", "identity"}, {1, 0, "id_bucket", "bucket[4]"}}}}, SetDefaultSpec{kLastAdded}}});
  EXPECT_EQ(table.default_spec().fields[0].field_id, 1000);
  EXPECT_EQ(table.default_spec().fields[1].field_id, 1001);
  table = applied(table, {{}, {AddSpec{by_city}, SetDefaultSpec{kLastAdded}}});
  EXPECT_EQ(table.default_spec_id, 1);
  EXPECT_EQ(table.specs.size(), 3U);
  EXPECT_FALSE(apply(table, {{}, {SetCurrentSchema{kLastAdded}}}, kNow));
  EXPECT_FALSE(apply(table, {{}, {SetDefaultSpec{9}}}, kNow));
}

// Prevents that a commit undoes the retention that an operator set on main.
TEST(TableChange, MovingMainKeepsItsRetention) {
  TableMetadata table = applied(test_table(), move_main(test_snapshot(11, 1)));
  table.refs["main"].min_snapshots_to_keep = 10;
  table = applied(table, move_main(test_snapshot(12, 2)));
  EXPECT_EQ(table.refs["main"].snapshot_id, 12);
  EXPECT_EQ(table.refs["main"].min_snapshots_to_keep, 10);
}

// Prevents a metadata log that grows for ever, and one that is cut too short; files are given for deletion only when the table asks.
TEST(TableChange, TrimsTheMetadataLog) {
  TableMetadata table = test_table();
  table.properties["write.metadata.previous-versions-max"] = "2";
  const auto log = [&](const std::string& file) {
    TableMetadata changed = table;
    auto fallen_out = log_previous_metadata(changed, table, file);
    table = changed;
    return fallen_out;
  };
  for (const char* file : {"f0", "f1", "f2"}) EXPECT_THAT(log(file), ElementsAre());
  table.properties["write.metadata.delete-after-commit.enabled"] = "true";
  EXPECT_THAT(log("f3"), ElementsAre("f1"));
  ASSERT_EQ(table.metadata_log.size(), 2U);
  EXPECT_EQ(table.metadata_log[0].metadata_file, "f2");
  EXPECT_EQ(table.metadata_log[1].metadata_file, "f3");
}

// Prevents a value that somebody set meanwhile from keeping a prepared batch from being published, and from being given up.
TEST(TableChange, ABadPropertyEndsNoCommit) {
  TableMetadata table = test_table();
  table.properties["write.metadata.previous-versions-max"] = "many";
  table.properties["write.metadata.delete-after-commit.enabled"] = "yes";
  for (const char* file : {"f0", "f1", "f2"}) EXPECT_THAT(log_previous_metadata(table, TableMetadata(table), file), ElementsAre());
  EXPECT_EQ(table.metadata_log.size(), 3U);
}

// Prevents a request in which a first commit is unconditional: snapshot-id must stand there as null (duckdb-iceberg#631).
TEST(TableChange, SpeaksRest) {
  Snapshot snapshot = test_snapshot(11, 1);
  TableChange change = move_main(snapshot);
  change.requirements = {AssertTableUuid{"u"}, AssertRefSnapshotId{"main", std::nullopt}};
  change.updates.push_back(SetProperties{{{"k", "v"}}});
  const json body = to_json(change);
  EXPECT_EQ(body["requirements"], json::parse(R"([{"type":"assert-table-uuid","uuid":"u"},
                                                  {"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}])"));
  EXPECT_EQ(body["updates"][0]["action"], "add-snapshot");
  EXPECT_EQ(body["updates"][0]["snapshot"]["sequence-number"], 1);
  EXPECT_EQ(body["updates"][1], json::parse(R"({"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":11})"));
  EXPECT_EQ(body["updates"][2], json::parse(R"({"action":"set-properties","updates":{"k":"v"}})"));
}

}  // namespace
}  // namespace sluice
