#include "iceberg/manifest.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "iceberg/avro.h"
#include "iceberg/manifest_schema.h"
#include "iceberg/test_metadata.h"

namespace sluice {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// One field per transform result that manifests know; two decimals, and names that Avro does not allow.
TableMetadata partitioned_table() {
  return test_table({{2, 1000, "my city", "identity"},
                     {3, 1001, "at_day", "day"},
                     {4, 1002, "price", "identity"},
                     {4, 1003, "price_trunc", "truncate[100]"},
                     {1, 1004, "id_bucket", "bucket[16]"},
                     {6, 1005, "key", "identity"},
                     {5, 1006, "2\"ratio", "identity"},
                     {3, 1007, "at", "identity"}});
}

DataFile full_file(std::vector<Literal> partition) {
  DataFile file;
  file.file_path = "mem://lake/t/data/a b%20\"c\".parquet";
  file.partition = std::move(partition);
  file.record_count = 10, file.file_size_bytes = 1234;
  file.column_sizes = {{1, 100}, {2, 200}};
  file.value_counts = {{1, 10}}, file.null_value_counts = {{1, 0}}, file.nan_value_counts = {{5, 3}};
  file.lower_bounds = {{1, std::string("\0\1\2\3\4\5\6\7", 8)}}, file.upper_bounds = {{2, "zz"}};
  file.split_offsets = {4, 1000};
  file.equality_ids = {1, 2};
  file.sort_order_id = 3;
  file.key_metadata = "secret";
  file.referenced_data_file = "mem://lake/t/data/x.parquet";
  return file;
}

std::vector<Literal> some_partition() {
  return {std::string("Köln"), int32_t{-1}, Int128{-12345}, Int128{-12400}, int32_t{7}, std::string(16, '\x7f'), 2.5, int64_t{-1}};
}

ManifestWriter::Finished manifest_of(const TableMetadata& table, const std::vector<ManifestEntry>& entries) {
  auto shape = manifest_shape(table, 0, 77);
  EXPECT_TRUE(shape) << shape.error().message;
  auto writer = make_manifest_writer(*shape);
  for (const ManifestEntry& entry : entries) {
    auto appended = writer->append(entry);
    EXPECT_TRUE(appended) << appended.error().message;
  }
  auto finished = writer->finish();
  EXPECT_TRUE(finished);
  return *finished;
}

Result<std::vector<ManifestEntry>> entries_of(const TableMetadata& table, std::string_view bytes, const ManifestFile& manifest) {
  std::vector<ManifestEntry> entries;
  TRY_ASSIGN(const auto types, partition_types(table, table.default_spec()));
  TRY(read_manifest(bytes, manifest, types, table.default_spec(), [&](ManifestEntry entry) -> Result<void> {
    entries.push_back(std::move(entry));
    return {};
  }));
  return entries;
}

void expect_same(const DataFile& a, const DataFile& b) {
  EXPECT_EQ(a.content, b.content);
  EXPECT_EQ(a.file_path, b.file_path);
  EXPECT_EQ(a.file_format, b.file_format);
  EXPECT_EQ(a.partition, b.partition);
  EXPECT_EQ(a.record_count, b.record_count);
  EXPECT_EQ(a.file_size_bytes, b.file_size_bytes);
  EXPECT_EQ(a.column_sizes, b.column_sizes);
  EXPECT_EQ(a.value_counts, b.value_counts);
  EXPECT_EQ(a.null_value_counts, b.null_value_counts);
  EXPECT_EQ(a.nan_value_counts, b.nan_value_counts);
  EXPECT_EQ(a.lower_bounds, b.lower_bounds);
  EXPECT_EQ(a.upper_bounds, b.upper_bounds);
  EXPECT_EQ(a.key_metadata, b.key_metadata);
  EXPECT_EQ(a.split_offsets, b.split_offsets);
  EXPECT_EQ(a.equality_ids, b.equality_ids);
  EXPECT_EQ(a.sort_order_id, b.sort_order_id);
  EXPECT_EQ(a.referenced_data_file, b.referenced_data_file);
}

// Prevents losing another writer's metrics, or a partition value, when its entries are carried into a merged manifest.
TEST(Manifest, KeepsEveryValueOfAnEntry) {
  const TableMetadata table = partitioned_table();
  std::vector<Literal> nulls(8);
  std::vector<ManifestEntry> entries = {{EntryStatus::kAdded, 77, std::nullopt, std::nullopt, full_file(some_partition())},
                                        {EntryStatus::kExisting, 5, 3, 2, full_file(nulls)},
                                        {EntryStatus::kDeleted, 6, 4, 4, {.file_path = "mem://x", .partition = nulls}}};
  const auto finished = manifest_of(table, entries);
  ManifestFile manifest = finished.summary;
  manifest.sequence_number = 9;
  auto read = entries_of(table, finished.bytes, manifest);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*read)[i].status, entries[i].status);
    EXPECT_EQ((*read)[i].snapshot_id, entries[i].snapshot_id);
    expect_same((*read)[i].file, entries[i].file);
  }
  EXPECT_EQ((*read)[0].sequence_number, 9) << "inherited";
  EXPECT_EQ((*read)[1].sequence_number, 3);
  EXPECT_EQ((*read)[1].file_sequence_number, 2);
}

// Prevents headers and schemas that readers refuse: the keys and forms of the specification, names cleaned, and no Avro name twice.
TEST(Manifest, HeaderAndSchemaAreAsReadersExpect) {
  const auto finished = manifest_of(partitioned_table(), {});
  auto reader = AvroReader::open(finished.bytes);
  ASSERT_TRUE(reader) << reader.error().message;
  const auto& header = reader->metadata();
  EXPECT_EQ(header.at("format-version"), "2");
  EXPECT_EQ(header.at("content"), "data");
  EXPECT_EQ(header.at("partition-spec-id"), "0");
  EXPECT_EQ(header.at("schema-id"), "0");
  EXPECT_EQ(header.at("avro.codec"), "deflate");
  EXPECT_TRUE(json::parse(header.at("partition-spec")).is_array()) << "bare fields, not the whole spec";
  EXPECT_EQ(json::parse(header.at("schema")).at("type"), "struct");

  const json schema = json::parse(header.at("avro.schema"));
  const json& file = schema["fields"][4];
  EXPECT_EQ(file["name"], "data_file");
  EXPECT_EQ(file["type"]["type"], "record") << "not nullable";
  const json& partition = file["type"]["fields"][3];
  EXPECT_EQ(partition["field-id"], 102);
  std::vector<json> types;
  for (const json& field : partition["type"]["fields"]) types.push_back(field["type"][1]);
  EXPECT_EQ(types[1], json::parse(R"({"type":"int","logicalType":"date"})"));
  EXPECT_EQ(types[2], json::parse(R"({"type":"fixed","name":"decimal_9_2","size":4,"logicalType":"decimal","precision":9,"scale":2})"));
  EXPECT_EQ(types[3]["name"], "decimal_9_2_1003");
  EXPECT_EQ(types[4], "int");
  EXPECT_EQ(types[5], json::parse(R"({"type":"fixed","name":"uuid_fixed","size":16,"logicalType":"uuid"})"));
  EXPECT_EQ(types[7], json::parse(R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":false})"));
  EXPECT_EQ(partition["type"]["fields"][0]["name"], "my_x20city");
  EXPECT_EQ(partition["type"]["fields"][0]["iceberg-field-name"], "my city");
  EXPECT_EQ(partition["type"]["fields"][6]["name"], "_2_x22ratio");
  EXPECT_EQ(partition["type"]["fields"][6]["iceberg-field-name"], "2\"ratio");
}

// Prevents decimals that another engine reads as another number: the fewest bytes for the precision, big-endian, sign kept.
TEST(Manifest, DecimalsTakeTheFewestBytes) {
  const std::vector<std::pair<int, int>> cases = {{1, 1}, {2, 1}, {3, 2}, {4, 2}, {9, 4}, {10, 5}, {18, 8}, {19, 9}, {38, 16}};
  for (const auto& [precision, bytes] : cases) EXPECT_EQ(decimal_bytes(precision), bytes) << precision;
}

// Prevents readers from pruning a manifest that holds what they look for: bounds cover all files, nulls and NaN are told apart.
TEST(Manifest, SummarisesPartitions) {
  const TableMetadata table = test_table({{2, 1000, "city", "identity"}, {5, 1001, "ratio", "identity"}});
  const auto entry = [](Literal city, Literal ratio) {
    DataFile file{.file_path = "mem://x", .partition = {std::move(city), std::move(ratio)}, .record_count = 2};
    return ManifestEntry{EntryStatus::kAdded, 77, std::nullopt, std::nullopt, std::move(file)};
  };
  const auto finished =
      manifest_of(table, {entry(std::string("b"), std::nan("")), entry(std::string("a"), Literal{}), entry(std::string("\xc3\xa9"), 1.5)});
  const ManifestFile& summary = finished.summary;
  EXPECT_EQ(summary.added_files, 3);
  EXPECT_EQ(summary.added_rows, 6);
  EXPECT_EQ(summary.length, static_cast<int64_t>(finished.bytes.size()));
  ASSERT_EQ(summary.partitions.size(), 2U);
  EXPECT_FALSE(summary.partitions[0].contains_null);
  EXPECT_EQ(summary.partitions[0].lower_bound, "a");
  EXPECT_EQ(summary.partitions[0].upper_bound, "\xc3\xa9");
  EXPECT_TRUE(summary.partitions[1].contains_null);
  EXPECT_EQ(summary.partitions[1].contains_nan, true);
  EXPECT_EQ(summary.partitions[1].lower_bound, summary.partitions[1].upper_bound);
  EXPECT_EQ(summary.sequence_number, kSequenceNumberNotAssigned);
}

// Prevents that an entry with too few partition values shifts every value behind it.
TEST(Manifest, RefusesValuesThatDoNotFitTheSpec) {
  auto shape = manifest_shape(test_table({{6, 1000, "key", "identity"}}), 0, 77);
  auto writer = make_manifest_writer(*shape);
  EXPECT_FALSE(writer->append({.file = {.file_path = "mem://x"}}));
  EXPECT_FALSE(writer->append({.file = {.file_path = "mem://x", .partition = {std::string("short")}}}));
  EXPECT_EQ(manifest_shape(test_table(), 5, 77).error().code, ErrorCode::kConflict);
}

ManifestFile listed() {
  ManifestFile manifest;
  manifest.path = "mem://lake/t/metadata/m0.avro";
  manifest.length = 4321, manifest.spec_id = 2, manifest.content = 1;
  manifest.sequence_number = 5, manifest.min_sequence_number = 4, manifest.added_snapshot_id = 77;
  manifest.added_files = 1, manifest.existing_files = 2, manifest.deleted_files = 3;
  manifest.added_rows = 10, manifest.existing_rows = 20, manifest.deleted_rows = 30;
  manifest.partitions = {{true, false, "a", "b"}, {false, std::nullopt, std::nullopt, std::nullopt}};
  manifest.key_metadata = "k";
  return manifest;
}

// Prevents foreign manifests from changing when they are carried over, and our own from keeping an old attempt's sequence number.
TEST(ManifestList, CarriesOverAndAssigns) {
  ManifestFile ours = listed();
  ours.sequence_number = ours.min_sequence_number = kSequenceNumberNotAssigned;
  auto bytes = write_manifest_list({ours, listed()}, 77, std::nullopt, 8);
  ASSERT_TRUE(bytes);
  auto read = read_manifest_list(*bytes);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ((*read)[0].sequence_number, 8);
  EXPECT_EQ((*read)[0].min_sequence_number, 8);
  const ManifestFile& kept = (*read)[1];
  const ManifestFile want = listed();
  EXPECT_EQ(
      std::tie(kept.path, kept.length, kept.spec_id, kept.content, kept.sequence_number, kept.min_sequence_number, kept.added_snapshot_id),
      std::tie(want.path, want.length, want.spec_id, want.content, want.sequence_number, want.min_sequence_number, want.added_snapshot_id));
  EXPECT_EQ(std::tie(kept.added_files, kept.existing_files, kept.deleted_files, kept.added_rows, kept.existing_rows, kept.deleted_rows),
            std::tie(want.added_files, want.existing_files, want.deleted_files, want.added_rows, want.existing_rows, want.deleted_rows));
  EXPECT_EQ(kept.key_metadata, want.key_metadata);
  ASSERT_EQ(kept.partitions.size(), 2U);
  EXPECT_EQ(kept.partitions[0].lower_bound, "a");
  EXPECT_EQ(kept.partitions[0].contains_nan, false);
  EXPECT_EQ(kept.partitions[1].contains_nan, std::nullopt);

  auto reader = AvroReader::open(*bytes);
  EXPECT_EQ(reader->metadata().at("parent-snapshot-id"), "null");
  EXPECT_EQ(reader->metadata().at("sequence-number"), "8");
}

// Prevents rows from vanishing: a list of version 1 may leave counts out; written as 0 every reader would skip the manifest.
TEST(ManifestList, DoesNotInventCounts) {
  ManifestFile uncounted = listed();
  uncounted.existing_files = -1;
  auto bytes = write_manifest_list({uncounted}, 77, std::nullopt, 8);
  ASSERT_FALSE(bytes);
  EXPECT_THAT(bytes.error().message, HasSubstr("rewrite_manifests"));
}

// Prevents that a list of version 1, with its names and without the newer fields, cannot be read.
TEST(ManifestList, ReadsVersionOne) {
  AvroWriter writer(R"({"type":"record","name":"manifest_file","fields":[
      {"name":"manifest_path","type":"string","field-id":500},{"name":"manifest_length","type":"long","field-id":501},
      {"name":"partition_spec_id","type":"int","field-id":502},{"name":"added_snapshot_id","type":["null","long"],"field-id":503},
      {"name":"added_data_files_count","type":["null","int"],"field-id":504}]})",
                    {});
  AvroEncoder record;
  record.put_bytes("mem://m"), record.put_long(7), record.put_int(0);
  record.put_branch(1), record.put_long(12);
  record.put_branch(0);
  writer.append(record.bytes());
  auto read = read_manifest_list(*writer.finish());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->at(0).added_snapshot_id, 12);
  EXPECT_EQ(read->at(0).sequence_number, 0);
  EXPECT_TRUE(read->at(0).has_live_files()) << "not said: there may be some";
}

}  // namespace
}  // namespace sluice
