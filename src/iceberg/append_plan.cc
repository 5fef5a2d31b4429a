// Appends: new manifests once per batch, and per attempt a manifest list over them and the table's, with small manifests merged.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/json_fields.h"
#include "iceberg/writer_properties.h"

namespace sluice {
namespace {

constexpr int64_t kManifestBytesMax = 128 * kMiB;  // a merged manifest is built in memory

int64_t manifest_bytes_target(const WriterProperties& properties) { return std::min(properties.manifest_bytes, kManifestBytesMax); }

DataFile to_data_file(const StagedFile& staged) {
  DataFile file;
  file.file_path = staged.file.path;
  file.partition = staged.partition;
  file.record_count = staged.file.rows;
  file.file_size_bytes = staged.file.size_bytes;
  file.split_offsets = staged.file.split_offsets;
  file.sort_order_id = 0;
  for (const auto& [id, column] : staged.file.columns) {
    if (column.size_bytes) file.column_sizes[id] = *column.size_bytes;
    if (column.value_count) file.value_counts[id] = *column.value_count;
    if (column.null_count) file.null_value_counts[id] = *column.null_count;
    if (column.nan_count) file.nan_value_counts[id] = *column.nan_count;
    if (column.lower_bound) file.lower_bounds[id] = *column.lower_bound;
    if (column.upper_bound) file.upper_bounds[id] = *column.upper_bound;
  }
  return file;
}

Result<ManifestFile> put_manifest(ObjectStore& store, ManifestWriter& writer, const std::string& path, Context& context) {
  TRY_ASSIGN(ManifestWriter::Finished finished, writer.finish());
  finished.summary.path = path;
  TRY(store.put(path, finished.bytes, {.if_none_match = true}, context));
  return std::move(finished.summary);
}

Result<std::vector<ManifestFile>> manifests_of(ObjectStore& store, const Snapshot* snapshot) {
  if (!snapshot || snapshot->manifest_list.empty()) return std::vector<ManifestFile>{};
  auto bytes = read_now(store, {normalized_path(snapshot->manifest_list), "", {}});
  if (!bytes) return std::unexpected(bytes.error().within("reading manifest list " + snapshot->manifest_list));
  return read_manifest_list(*bytes);
}

/// One attempt's merge of the table's small data manifests of one spec into a new one. The batch's own stay as they are: they belong to
/// its prepared record, and one that no snapshot named would be left behind.
class Merge {
 public:
  Merge(ObjectStore& store, const TableMetadata& metadata, int64_t snapshot_id, std::string prefix)
      : store_(store), metadata_(metadata), snapshot_id_(snapshot_id), prefix_(std::move(prefix)) {}

  Result<ManifestFile> run(const std::vector<ManifestFile>& bin, Context& context) {
    TRY_ASSIGN(const ManifestShape shape, manifest_shape(metadata_, bin.front().spec_id, snapshot_id_));
    auto writer = make_manifest_writer(shape);
    for (const ManifestFile& manifest : bin) {
      TRY(context.check());
      auto bytes = read_now(store_, {normalized_path(manifest.path), "", {}});
      if (!bytes) return std::unexpected(bytes.error().within("reading manifest " + manifest.path));
      const auto carry_over = [&](ManifestEntry entry) -> Result<void> {
        if (entry.status == EntryStatus::kDeleted) return {};  // deleted in an older snapshot: nobody needs to know any more
        entry.status = EntryStatus::kExisting;
        return writer->append(entry);
      };
      TRY(read_manifest(*bytes, manifest, shape.partition_types, shape.spec, carry_over));
    }
    return put_manifest(store_, *writer, fmt::format("{}merged-{}.avro", prefix_, new_uuid()), context);
  }

 private:
  ObjectStore& store_;
  const TableMetadata& metadata_;
  const int64_t snapshot_id_;
  const std::string prefix_;
};

/// The newest manifests of the table in the spec of the `added` ones, up to the target size: merged once all these together are enough.
/// Older ones are full already.
std::vector<ManifestFile> bin_to_merge(const TableMetadata& metadata, const std::vector<ManifestFile>& manifests,
                                       const std::vector<StagedManifest>& added) {
  const auto properties = WriterProperties::from(metadata.properties);
  if (!properties.merges_manifests) return {};
  const int64_t bytes_max = manifest_bytes_target(properties);
  std::vector<ManifestFile> bin;
  int64_t bytes = 0;
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content != 0 || manifest.spec_id != added.front().manifest.spec_id) continue;
    if (bytes + manifest.length > bytes_max) break;
    bytes += manifest.length;
    bin.push_back(manifest);
  }
  const bool enough = bin.size() >= 2 && static_cast<int64_t>(bin.size() + added.size()) >= properties.manifests_to_merge_min;
  return enough ? bin : std::vector<ManifestFile>{};
}

Result<std::vector<ManifestFile>> merged(ObjectStore& store, const TableMetadata& metadata, std::vector<ManifestFile> manifests,
                                         const std::vector<StagedManifest>& added, const std::string& prefix, CommitPlan& plan,
                                         Context& context) {
  const std::vector<ManifestFile> bin = bin_to_merge(metadata, manifests, added);
  if (bin.empty()) return manifests;
  TRY_ASSIGN(ManifestFile whole, Merge(store, metadata, plan.snapshot_id, prefix).run(bin, context));
  plan.objects.push_back(whole.path);
  std::set<std::string> gone;
  for (const ManifestFile& manifest : bin) gone.insert(manifest.path);
  std::erase_if(manifests, [&](const ManifestFile& manifest) { return gone.contains(manifest.path); });
  manifests.insert(manifests.begin(), std::move(whole));
  return manifests;
}

/// total-<what> of the parent plus what is added; absent where the parent does not say (a wrong total is worse than none).
void put_total(std::map<std::string, std::string>& summary, const Snapshot* parent, const std::string& what, int64_t added) {
  int64_t before = 0;
  if (parent) {
    const auto at = parent->summary.find("total-" + what);
    if (at == parent->summary.end()) return;
    const auto end = std::from_chars(at->second.data(), at->second.data() + at->second.size(), before);
    if (end.ec != std::errc()) return;
  }
  summary["total-" + what] = std::to_string(before + added);
}

std::map<std::string, std::string> summary_of(const Snapshot* parent, const std::vector<StagedManifest>& staged,
                                              const SnapshotNotes& notes) {
  int64_t files = 0, rows = 0, bytes = 0, partitions = 0;
  for (const StagedManifest& manifest : staged) {
    files += manifest.manifest.added_files, rows += manifest.manifest.added_rows;
    bytes += manifest.files_bytes, partitions += manifest.changed_partitions;
  }
  std::map<std::string, std::string> summary = notes.summary;
  summary["operation"] = "append";
  if (files > 0) {
    summary["added-data-files"] = std::to_string(files);
    summary["added-records"] = std::to_string(rows);
    summary["added-files-size"] = std::to_string(bytes);
  }
  summary["changed-partition-count"] = std::to_string(partitions);
  put_total(summary, parent, "records", rows);
  put_total(summary, parent, "files-size", bytes);
  put_total(summary, parent, "data-files", files);
  put_total(summary, parent, "delete-files", 0);
  put_total(summary, parent, "position-deletes", 0);
  put_total(summary, parent, "equality-deletes", 0);
  return summary;
}

TableChange change_for(const LoadedTable& base, Snapshot snapshot, const SnapshotNotes& notes) {
  const Snapshot* current = base.metadata.current_snapshot();
  TableChange change;
  change.requirements = {AssertTableUuid{base.metadata.table_uuid},
                         AssertRefSnapshotId{std::string(kMainBranch), current ? std::optional(current->snapshot_id) : std::nullopt}};
  SnapshotRef ref;
  if (const auto known = base.metadata.refs.find(std::string(kMainBranch)); known != base.metadata.refs.end()) ref = known->second;
  ref.snapshot_id = snapshot.snapshot_id;
  change.updates.push_back(AddSnapshot{std::move(snapshot)});
  change.updates.push_back(SetSnapshotRef{std::string(kMainBranch), ref});
  if (!notes.properties_to_set.empty()) change.updates.push_back(SetProperties{notes.properties_to_set});
  if (!notes.properties_to_remove.empty()) change.updates.push_back(RemoveProperties{notes.properties_to_remove});
  return change;
}

}  // namespace

Result<std::vector<StagedManifest>> write_append_manifests(ObjectStore& store, const TableMetadata& metadata, int spec_id,
                                                           const std::vector<StagedFile>& files, int64_t snapshot_id,
                                                           const std::string& name_prefix, Context& context) {
  std::vector<StagedManifest> staged;
  const int64_t bytes_max = manifest_bytes_target(WriterProperties::from(metadata.properties));
  std::set<std::vector<Literal>> partitions;
  for (size_t next = 0; next < files.size();) {
    TRY_ASSIGN(ManifestShape shape, manifest_shape(metadata, spec_id, snapshot_id));
    auto writer = make_manifest_writer(std::move(shape));
    StagedManifest manifest;
    // One entry at least: the header alone may be above a small target.
    for (; next < files.size() && (writer->entries() == 0 || writer->size_bytes_estimate() < bytes_max); ++next) {
      ManifestEntry entry;
      entry.status = EntryStatus::kAdded;
      entry.snapshot_id = snapshot_id;
      entry.file = to_data_file(files[next]);
      TRY(writer->append(entry));
      manifest.files_bytes += files[next].file.size_bytes;
      manifest.changed_partitions += partitions.insert(files[next].partition).second;
    }
    const std::string path = fmt::format("{}/{}m{}-{}.avro", metadata_location_dir(metadata), name_prefix, staged.size(), new_uuid());
    TRY_ASSIGN(manifest.manifest, put_manifest(store, *writer, path, context));
    staged.push_back(std::move(manifest));
  }
  return staged;
}

Result<CommitPlan> plan_append(ObjectStore& store, const LoadedTable& base, const std::vector<StagedManifest>& staged, int64_t snapshot_id,
                               const SnapshotNotes& notes, Clock& clock, Context& context) {
  const TableMetadata& metadata = base.metadata;
  const Snapshot* parent = metadata.current_snapshot();
  const std::string prefix = fmt::format("{}/{}", metadata_location_dir(metadata), notes.object_prefix);
  CommitPlan plan{{}, snapshot_id, metadata.last_sequence_number + 1, {}};

  std::vector<ManifestFile> manifests;
  for (const StagedManifest& manifest : staged) manifests.push_back(manifest.manifest);
  TRY_ASSIGN(std::vector<ManifestFile> old, manifests_of(store, parent));
  // What holds nothing but deletions of older snapshots says nothing to this one.
  std::erase_if(old, [](const ManifestFile& manifest) { return !manifest.has_live_files(); });
  if (!staged.empty()) {
    TRY_ASSIGN(old, merged(store, metadata, std::move(old), staged, prefix, plan, context));
  }
  std::ranges::move(old, std::back_inserter(manifests));

  Snapshot snapshot;
  snapshot.snapshot_id = snapshot_id;
  if (parent) snapshot.parent_snapshot_id = parent->snapshot_id;
  snapshot.sequence_number = plan.sequence_number;
  snapshot.timestamp_ms = std::max(clock.now().micros / 1000, metadata.last_updated_ms);
  snapshot.manifest_list = fmt::format("{}snap-{}-{}.avro", prefix, snapshot_id, new_uuid());
  snapshot.schema_id = metadata.current_schema_id;
  snapshot.summary = summary_of(parent, staged, notes);
  TRY_ASSIGN(const std::string bytes, write_manifest_list(manifests, snapshot_id, snapshot.parent_snapshot_id, plan.sequence_number));
  plan.objects.push_back(snapshot.manifest_list);
  TRY(store.put(snapshot.manifest_list, bytes, {.if_none_match = true}, context));
  plan.change = change_for(base, std::move(snapshot), notes);
  return plan;
}

Result<CommitPlan> plan_fence(ObjectStore& store, const LoadedTable& base, int64_t snapshot_id, const SnapshotNotes& notes, Clock& clock,
                              Context& context) {
  return plan_append(store, base, {}, snapshot_id, notes, clock, context);
}

std::string to_json(const std::vector<StagedManifest>& manifests) {
  nlohmann::json list = nlohmann::json::array();
  for (const StagedManifest& staged : manifests) {
    const ManifestFile& m = staged.manifest;
    nlohmann::json partitions = nlohmann::json::array();
    for (const PartitionSummary& summary : m.partitions) {
      const auto bound = [](const std::optional<std::string>& bytes) -> nlohmann::json {
        if (!bytes) return nullptr;
        return std::vector<int>(reinterpret_cast<const unsigned char*>(bytes->data()),
                                reinterpret_cast<const unsigned char*>(bytes->data()) + bytes->size());
      };
      partitions.push_back({{"contains-null", summary.contains_null},
                            {"contains-nan", summary.contains_nan ? nlohmann::json(*summary.contains_nan) : nlohmann::json(nullptr)},
                            {"lower", bound(summary.lower_bound)},
                            {"upper", bound(summary.upper_bound)}});
    }
    list.push_back({{"path", m.path},
                    {"length", m.length},
                    {"spec-id", m.spec_id},
                    {"snapshot-id", m.added_snapshot_id},
                    {"files", m.added_files},
                    {"rows", m.added_rows},
                    {"partitions", std::move(partitions)},
                    {"changed-partitions", staged.changed_partitions},
                    {"files-bytes", staged.files_bytes}});
  }
  return nlohmann::json{{"v", 1}, {"manifests", std::move(list)}}.dump();
}

Result<std::vector<StagedManifest>> parse_staged_manifests(std::string_view text) {
  if (text.empty()) return std::vector<StagedManifest>{};
  TRY_ASSIGN(const nlohmann::json json, parse_json(text, "staged manifests"));
  try {
    if (json.at("v").get<int>() != 1) return fail(ErrorCode::kCorruption, "the batch was staged by a newer sluice; upgrade this one");
    std::vector<StagedManifest> manifests;
    for (const nlohmann::json& one : json.at("manifests")) {
      StagedManifest staged;
      ManifestFile& m = staged.manifest;
      one.at("path").get_to(m.path), one.at("length").get_to(m.length), one.at("spec-id").get_to(m.spec_id);
      one.at("snapshot-id").get_to(m.added_snapshot_id), one.at("files").get_to(m.added_files), one.at("rows").get_to(m.added_rows);
      m.sequence_number = m.min_sequence_number = kSequenceNumberNotAssigned;
      for (const nlohmann::json& partition : one.at("partitions")) {
        PartitionSummary& summary = m.partitions.emplace_back();
        const auto bound = [&](const char* key) -> std::optional<std::string> {
          if (partition.at(key).is_null()) return std::nullopt;
          std::string bytes;
          for (const nlohmann::json& byte : partition.at(key)) bytes.push_back(static_cast<char>(byte.get<int>()));
          return bytes;
        };
        partition.at("contains-null").get_to(summary.contains_null);
        if (!partition.at("contains-nan").is_null()) summary.contains_nan = partition.at("contains-nan").get<bool>();
        summary.lower_bound = bound("lower"), summary.upper_bound = bound("upper");
      }
      one.at("changed-partitions").get_to(staged.changed_partitions), one.at("files-bytes").get_to(staged.files_bytes);
      manifests.push_back(std::move(staged));
    }
    return manifests;
  } catch (const nlohmann::json::exception& e) {
    return fail(ErrorCode::kCorruption, std::string("staged manifests: ") + e.what());
  }
}

}  // namespace sluice
