#include "iceberg/table_metadata.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "iceberg/table_change.h"
#include "iceberg/test_metadata.h"

namespace sluice {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json written(const TableMetadata& table) {
  auto text = write_table_metadata(table);
  EXPECT_TRUE(text) << text.error().message;
  return json::parse(text.value_or("null"));
}

TableMetadata read(const json& document) {
  auto table = read_table_metadata(document.dump());
  EXPECT_TRUE(table) << table.error().message;
  return table.value_or(TableMetadata{});
}

// Prevents metadata that some reader refuses for a missing key: all keys of the specification, current-snapshot-id -1 when empty.
TEST(TableMetadata, WritesEveryKeyOfAnEmptyTable) {
  const json out = written(test_table());
  for (const char* key : {"format-version",
                          "table-uuid",
                          "location",
                          "last-sequence-number",
                          "last-updated-ms",
                          "last-column-id",
                          "schemas",
                          "current-schema-id",
                          "partition-specs",
                          "default-spec-id",
                          "last-partition-id",
                          "sort-orders",
                          "default-sort-order-id",
                          "properties",
                          "current-snapshot-id",
                          "refs",
                          "snapshots",
                          "statistics",
                          "partition-statistics",
                          "snapshot-log",
                          "metadata-log"}) {
    EXPECT_TRUE(out.contains(key)) << key;
  }
  EXPECT_EQ(out["current-snapshot-id"], -1);
  EXPECT_EQ(out["last-partition-id"], 999);
  EXPECT_EQ(out["sort-orders"], json::parse(R"([{"order-id":0,"fields":[]}])"));
  EXPECT_FALSE(out.contains("schema"));
  EXPECT_FALSE(out.contains("partition-spec"));
}

// Prevents losing what other programs keep in the metadata when we commit: statistics, retention, keys we do not know, at every level.
TEST(TableMetadata, KeepsWhatItDoesNotKnow) {
  auto changed = apply(test_table(), move_main(test_snapshot(11, 1)), {0});
  ASSERT_TRUE(changed);
  json document = written(*changed);
  document["statistics"] = json::parse(R"([{"snapshot-id": 11, "statistics-path": "x"}])");
  document["x-vendor"] = {{"a", 1}};
  document["snapshots"][0]["x-key"] = "kept";
  document["schemas"][0]["fields"][0]["x-doc"] = "kept";
  document["refs"]["main"]["max-ref-age-ms"] = 5;
  document["refs"]["audit"] = {{"snapshot-id", 11}, {"type", "tag"}};
  EXPECT_EQ(written(read(document)), document);
}

// Prevents that an empty table of another writer cannot be opened: Java writes -1, PyIceberg null or nothing.
TEST(TableMetadata, TakesEverySpellingOfNoSnapshot) {
  for (const json& none : {json(-1), json(nullptr)}) {
    json document = written(test_table());
    document["current-snapshot-id"] = none;
    document.erase("refs");
    EXPECT_EQ(read(document).current_snapshot(), nullptr);
    document.erase("current-snapshot-id");
    EXPECT_EQ(read(document).current_snapshot(), nullptr);
  }
}

// Prevents that a table written before references existed looks empty, which would load everything again.
TEST(TableMetadata, FindsMainWithoutReferences) {
  auto changed = apply(test_table(), move_main(test_snapshot(11, 1)), {0});
  json document = written(*changed);
  document.erase("refs");
  const TableMetadata table = read(document);
  ASSERT_NE(table.current_snapshot(), nullptr);
  EXPECT_EQ(table.current_snapshot()->snapshot_id, 11);
}

// Prevents writing into tables whose rules we do not keep: version 3 has row lineage, version 1 other manifests. Both can be read.
TEST(TableMetadata, ReadsOtherVersionsButDoesNotWriteThem) {
  json document = written(test_table());
  document["format-version"] = 3;
  document["next-row-id"] = 0;
  auto refused = write_table_metadata(read(document));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(refused.error().message, HasSubstr("format version 3 is not supported yet"));

  json first = {{"format-version", 1}, {"location", "mem://lake/t"}, {"last-updated-ms", 1}, {"last-column-id", 6}};
  first["schema"] = document["schemas"][0];
  first["partition-spec"] = json::parse(R"([{"name": "city", "transform": "identity", "source-id": 2}])");
  const TableMetadata old = read(first);
  EXPECT_EQ(old.default_spec().fields.at(0).field_id, 1000);
  EXPECT_THAT(write_table_metadata(old).error().message, HasSubstr("format version 1"));
}

// Prevents a crash on metadata that was damaged or written by an enemy: each broken key is named.
TEST(TableMetadata, NamesWhatIsBroken) {
  const json good = written(test_table());
  const auto error_of = [&](const char* key, const json& value) {
    json document = good;
    document[key] = value;
    auto table = read_table_metadata(document.dump());
    EXPECT_FALSE(table) << key;
    return table ? "" : table.error().message;
  };
  EXPECT_THAT(error_of("table-uuid", 7), HasSubstr("table-uuid"));
  EXPECT_THAT(error_of("schemas", json::array()), HasSubstr("no schema"));
  EXPECT_THAT(error_of("current-schema-id", 5), HasSubstr("schema 5"));
  EXPECT_THAT(error_of("default-spec-id", 5), HasSubstr("spec 5"));
  EXPECT_THAT(error_of("last-column-id", 1e30), HasSubstr("last-column-id"));
  EXPECT_THAT(error_of("refs", json::parse(R"({"main": {"snapshot-id": 5, "type": "branch"}})")), HasSubstr("unknown snapshot"));
  EXPECT_FALSE(read_table_metadata("{"));
  EXPECT_FALSE(read_table_metadata(std::string(100'000, '[')));
}

// Prevents rule P from taking a truncated history for a complete one, and an endless walk over a damaged one.
TEST(TableMetadata, SaysWhetherTheHistoryIsComplete) {
  TableMetadata table = test_table();
  for (int64_t id = 1; id <= 3; ++id) {
    Snapshot snapshot = test_snapshot(id, id);
    if (id > 1) snapshot.parent_snapshot_id = id - 1;
    table = *apply(table, move_main(snapshot), {0});
  }
  const auto ids = [](const Ancestry& ancestry) {
    std::vector<int64_t> found;
    for (const Snapshot* snapshot : ancestry.snapshots) found.push_back(snapshot->snapshot_id);
    return found;
  };
  EXPECT_THAT(ids(ancestors_of_main(table)), ElementsAre(3, 2, 1));
  EXPECT_EQ(ancestors_of_main(table).start, Ancestry::Start::kFirst);

  TableMetadata expired = table;
  expired.snapshots.erase(expired.snapshots.begin());
  EXPECT_THAT(ids(ancestors_of_main(expired)), ElementsAre(3, 2));
  EXPECT_EQ(ancestors_of_main(expired).start, Ancestry::Start::kExpired);

  // As PyIceberg expires: the snapshot that is left names no parent, and its totals, where it has some, tell that there was one.
  using Summary = std::map<std::string, std::string>;
  const Summary added = {{"operation", "append"}, {"added-records", "5"}, {"added-data-files", "1"}};
  const auto with = [](Summary summary, const Summary& more) {
    for (const auto& [key, value] : more) summary[key] = value;
    return summary;
  };
  for (const auto& [summary, may_be_first] : {
           std::pair(with(added, {{"total-records", "5"}, {"total-data-files", "1"}}), true),
           std::pair(with(added, {{"total-records", "7"}, {"total-data-files", "2"}}), false),
           std::pair(with(added, {{"total-records", "5"}, {"total-data-files", "1"}, {"deleted-data-files", "3"}}), false),
           std::pair(added, false),
           std::pair(Summary{{"total-records", "0"}, {"total-data-files", "0"}}, true),
       }) {
    TableMetadata cut = table;
    cut.snapshots.erase(cut.snapshots.begin(), cut.snapshots.begin() + 2);
    cut.snapshots.front().parent_snapshot_id.reset();
    cut.snapshots.front().summary = summary;
    EXPECT_EQ(ancestors_of_main(cut).start, may_be_first ? Ancestry::Start::kPerhapsFirst : Ancestry::Start::kExpired) << summary.size();
  }

  TableMetadata circular = table;
  circular.snapshots[0].parent_snapshot_id = 3;
  EXPECT_EQ(ancestors_of_main(circular).snapshots.size(), 3U);
  EXPECT_EQ(ancestors_of_main(circular).start, Ancestry::Start::kExpired);
}

}  // namespace
}  // namespace sluice
