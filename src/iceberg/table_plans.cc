// Schema and spec changes as table changes; walks over the live files of a table.
#include <fmt/format.h>

#include <algorithm>

#include "iceberg/append.h"
#include "iceberg/transform.h"

namespace sluice {
namespace {

bool can_promote(const Type& from, const Type& to) {
  if (from.id == to.id && !from.is_nested()) {
    if (from.id == TypeId::kDecimal) return to.scale == from.scale && to.precision >= from.precision;
    return from.length == to.length;
  }
  return (from.id == TypeId::kInt && to.id == TypeId::kLong) || (from.id == TypeId::kFloat && to.id == TypeId::kDouble);
}

/// Every old field must still be there with a type that its values fit; new ones must be optional.
Result<void> check_fields(const std::vector<Field>& before, const std::vector<Field>& after) {
  for (const Field& old : before) {
    const auto now = std::ranges::find(after, old.id, &Field::id);
    if (now == after.end()) return invalid_input(fmt::format("column {} would be dropped", old.name));
    if (now->required && !old.required) return invalid_input(fmt::format("column {} would become required", old.name));
    if (old.type->is_nested()) {
      if (now->type->id != old.type->id) return invalid_input(fmt::format("column {} would change its kind", old.name));
      TRY(check_fields(old.type->fields, now->type->fields));
    } else if (!can_promote(*old.type, *now->type)) {
      return invalid_input(fmt::format("column {} cannot change from {} to {}", old.name, to_text(*old.type), to_text(*now->type)));
    }
  }
  for (const Field& field : after) {
    if (field.id == 0 && field.required)
      return invalid_input(fmt::format("new column {} must be optional: older rows do not have it", field.name));
  }
  return {};
}

}  // namespace

Result<TableChange> plan_schema_change(const TableMetadata& base, Schema wanted) {
  const Schema& current = base.current_schema();
  TRY(check_fields(current.fields, wanted.fields));
  assign_field_ids(wanted.fields, base.last_column_id);
  wanted.identifier_field_ids = current.identifier_field_ids;
  TableChange change;
  change.requirements = {AssertTableUuid{base.table_uuid}, AssertCurrentSchemaId{base.current_schema_id},
                         AssertLastAssignedFieldId{base.last_column_id}};
  change.updates = {AddSchema{std::move(wanted)}, SetCurrentSchema{kLastAdded}};
  return change;
}

Result<TableChange> plan_spec_change(const TableMetadata& base, PartitionSpec spec) {
  for (const PartitionField& field : spec.fields) {
    TRY(parse_transform(field.transform));
    if (!base.current_schema().find(field.source_id)) return invalid_input(fmt::format("partition field {}: no such column", field.name));
  }
  TableChange change;
  change.requirements = {AssertTableUuid{base.table_uuid}, AssertDefaultSpecId{base.default_spec_id},
                         AssertLastAssignedPartitionId{base.last_partition_id}};
  change.updates = {AddSpec{std::move(spec)}, SetDefaultSpec{kLastAdded}};
  return change;
}

std::string normalized_path(const std::string& path) {
  std::string_view rest = path;
  if (rest.starts_with("file:")) {
    rest.remove_prefix(std::string_view("file:").size());
    if (rest.starts_with("//localhost/")) rest.remove_prefix(std::string_view("//localhost").size());
  }
  if (!rest.starts_with('/')) return path;
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  return "file:///" + std::string(rest);
}

Result<void> for_each_live_file(ObjectStore& store, const TableMetadata& metadata,
                                const std::function<Result<void>(const ManifestEntry&)>& visit, Context& context) {
  const Snapshot* current = metadata.current_snapshot();
  if (!current || current->manifest_list.empty()) return {};
  TRY_ASSIGN(const std::string list, read_now(store, {normalized_path(current->manifest_list), "", {}}));
  TRY_ASSIGN(const auto manifests, read_manifest_list(list));
  for (const ManifestFile& manifest : manifests) {
    TRY(context.check());
    if (manifest.content != 0 || !manifest.has_live_files()) continue;
    const PartitionSpec* spec = metadata.find_spec(manifest.spec_id);
    if (!spec) return fail(ErrorCode::kCorruption, fmt::format("{}: unknown partition spec {}", manifest.path, manifest.spec_id));
    TRY_ASSIGN(const auto types, partition_types(metadata, *spec));
    TRY_ASSIGN(const std::string bytes, read_now(store, {normalized_path(manifest.path), "", {}}));
    TRY(read_manifest(bytes, manifest, types, *spec, [&](ManifestEntry entry) -> Result<void> {
      if (entry.status == EntryStatus::kDeleted || entry.file.content != FileContent::kData) return {};
      return visit(entry);
    }));
  }
  return {};
}

Result<bool> live_paths_contain(ObjectStore& store, const TableMetadata& metadata, const std::vector<std::string>& paths,
                                Context& context) {
  std::vector<std::string> wanted;
  for (const std::string& path : paths) wanted.push_back(normalized_path(path));
  bool found = false;
  auto look = [&](const ManifestEntry& entry) -> Result<void> {
    const std::string path = normalized_path(entry.file.file_path);
    found = std::ranges::any_of(wanted, [&](const std::string& w) { return w.ends_with('/') ? path.starts_with(w) : path == w; });
    if (found) return fail(ErrorCode::kCancelled, "found");  // ends the walk
    return {};
  };
  auto walked = for_each_live_file(store, metadata, look, context);
  if (found) return true;
  TRY(walked);
  return false;
}

}  // namespace sluice
