#include "pipeline/iceberg_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "iceberg/append.h"
#include "iceberg/data_paths.h"
#include "iceberg/partition_spec.h"
#include "iceberg/writer_properties.h"
#include "pipeline/iceberg_presence.h"
#include "pipeline/iceberg_stager.h"
#include "pipeline/iceberg_state.h"
#include "pipeline/leftovers.h"

namespace sluice {
namespace {

Result<void> read_marks(const TableMetadata& metadata, TargetState& state) {
  for (const auto& [key, value] : metadata.properties) {
    const bool tracked = key.starts_with(kMarkPrefix);
    if (!tracked && !key.starts_with(kUntrackedMarkPrefix)) continue;
    TRY_ASSIGN(Mark mark, parse_mark(value));
    const auto prefix = tracked ? kMarkPrefix.size() : kUntrackedMarkPrefix.size();
    (tracked ? state.marks : state.untracked_marks).emplace(IngestionId(key.substr(prefix)), std::move(mark));
  }
  return {};
}

bool can_hold(const Type& now, const Type& staged) {
  if (same_type(now, staged)) return true;
  if (staged.id == TypeId::kInt) return now.id == TypeId::kLong;
  if (staged.id == TypeId::kFloat) return now.id == TypeId::kDouble;
  return staged.id == TypeId::kDecimal && now.id == TypeId::kDecimal && now.scale == staged.scale && now.precision >= staged.precision;
}

std::optional<std::string> first_misfit(const Schema& now, const std::vector<Field>& staged) {
  for (const Field& field : staged) {
    const Field* live = now.find(field.id);
    if (!live) return fmt::format("column {} (field {}) was dropped from the table", field.name, field.id);
    if (field.type->is_nested()) {
      if (live->type->id != field.type->id) return fmt::format("column {} changed its type", field.name);
      if (auto misfit = first_misfit(now, field.type->fields)) return misfit;
    } else if (!can_hold(*live->type, *field.type)) {
      return fmt::format("column {} changed from {} to {}", field.name, to_text(*field.type), to_text(*live->type));
    }
  }
  return std::nullopt;
}

std::string quarantine_prefix(const TargetPin& pin, const BatchId& batch) {
  return fmt::format("{}/_quarantine/{}-", pin.table_location, batch.text);
}

/// Names carry an id of their own, while one folder may be written in two ways (s3:// and s3a://).
std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Of the fence's manifest list, which outlives the batch that is swept.
std::string fence_name(const BatchId& batch) { return fmt::format("fence-{}-", batch.text); }

std::vector<std::string> manifest_lists(const TableMetadata& metadata) {
  std::vector<std::string> paths;
  for (const Snapshot& snapshot : metadata.snapshots) paths.push_back(snapshot.manifest_list);
  return paths;
}

constexpr const char* kBatchNote = "sluice.batch-id";
constexpr const char* kOperationNote = "sluice.note";

/// Its publish, not its fence.
bool is_of(const Snapshot& snapshot, const BatchId& batch) {
  const auto named = snapshot.summary.find(kBatchNote);
  return named != snapshot.summary.end() && named->second == batch.text && !snapshot.summary.contains(kOperationNote);
}

SnapshotNotes notes_for(const PreparedBatch& batch, const char* operation_note) {
  SnapshotNotes notes;
  notes.object_prefix = batch.batch.text + "-";
  notes.summary = {{"sluice.ingestion-id", batch.ingestion.text},
                   {kBatchNote, batch.batch.text},
                   {"sluice.run-id", batch.run.text},
                   {"sluice.seq", std::to_string(batch.seq)}};
  if (*operation_note) notes.summary[kOperationNote] = operation_note;
  return notes;
}

/// Before anything is written: a table that was made with such a value, or a batch that waits for one, is more to repair than a run.
Result<void> check_properties(const TableMetadata& metadata, const TableId& table) {
  auto checked = check_writer_properties(metadata.properties);
  if (checked) return {};
  Error error = std::move(checked).error();
  error.message = fmt::format(
      "table {}: {}. Nothing was staged; correct it in the table, for example with Spark: ALTER TABLE {} SET "
      "TBLPROPERTIES ('NAME' = 'VALUE'), then run again",
      table.text(), error.message, table.text());
  return std::unexpected(std::move(error));
}

}  // namespace

IcebergSink::IcebergSink(Catalog& catalog, StoreProvider& stores, Properties store_properties, TableId table, Clock& clock)
    : catalog_(catalog), stores_(catalog, stores, std::move(store_properties), table, clock), table_(std::move(table)), clock_(clock) {}

Result<TargetState> IcebergSink::state_of(LoadedTable table) const {
  const TableMetadata& metadata = table.metadata;
  TargetState state;
  const Snapshot* current = metadata.current_snapshot();
  state.pin = {.catalog_uri = catalog_.uri(),
               .warehouse = catalog_.warehouse(),
               .table = table_.text(),
               .table_uuid = metadata.table_uuid,
               .table_location = metadata.location,
               .data_location = data_location(metadata),
               .hashed_paths = data_layout(metadata).hashed,
               .metadata_location = metadata_location_dir(metadata),
               .base_snapshot_id = current ? std::optional(current->snapshot_id) : std::nullopt,
               .base_sequence_number = metadata.last_sequence_number,
               .schema_id = metadata.current_schema_id,
               .spec_id = metadata.default_spec_id};
  state.schema = metadata.current_schema();
  TRY(read_marks(metadata, state));
  state.loaded = std::make_shared<IcebergState>(std::move(table));
  return state;
}

bool IcebergSink::is_aimed_at(const TargetPin& pin) const {
  return pin.table == table_.text() && pin.catalog_uri == catalog_.uri() && pin.warehouse == catalog_.warehouse();
}

Result<TargetState> IcebergSink::load(Context& context) {
  TRY_ASSIGN(LoadedTable table, catalog_.load(table_, context));
  stores_.learn(table);
  TRY(check_writable(table.metadata));
  TRY(check_not_older(table.metadata));
  return state_of(std::move(table));
}

/// A server with a cache may show what was before our own commit. Behind a fence that would hide a batch that landed in front of it.
Result<void> IcebergSink::check_not_older(const TableMetadata& loaded) {
  const std::lock_guard lock(mutex_);
  if (loaded.table_uuid != seen_uuid_ || loaded.last_sequence_number >= seen_sequence_number_) {
    seen_uuid_ = loaded.table_uuid, seen_sequence_number_ = loaded.last_sequence_number;
    return {};
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("table {}: the catalog shows it at sequence number {}, after {} was seen: it answers from a copy that lags "
                          "behind, or was restored just now. Run again",
                          table_.text(), loaded.last_sequence_number, seen_sequence_number_));
}

void IcebergSink::remember(const TableMetadata& seen) {
  const std::lock_guard lock(mutex_);
  const bool newer = seen.table_uuid != seen_uuid_ || seen.last_sequence_number > seen_sequence_number_;
  if (newer) seen_uuid_ = seen.table_uuid, seen_sequence_number_ = seen.last_sequence_number;
}

Result<TargetState> IcebergSink::create(const TargetSpec& spec, Context& context) {
  if (auto checked = check_new_table_properties(spec.properties); !checked) {
    Error error = std::move(checked).error();
    error.message =
        fmt::format("table_properties: {}. Table {} was not made; correct the value, then run again", error.message, table_.text());
    return std::unexpected(std::move(error));
  }
  CreateTable request;
  request.schema = spec.schema;
  assign_field_ids(request.schema.fields, 0);
  TRY_ASSIGN(request.partition_fields, make_partition_fields(spec.partition_by, request.schema));
  request.properties = spec.properties;
  TRY_ASSIGN(LoadedTable table, catalog_.create(table_, request, context));
  stores_.learn(table);
  return state_of(std::move(table));
}

Result<TargetState> IcebergSink::evolve(const TargetState& state, const Schema& proposed, Context& context) {
  const LoadedTable& base = loaded(state);
  TRY(check_properties(base.metadata, table_));
  TRY_ASSIGN(const TableChange change, plan_schema_change(base.metadata, proposed));
  TRY_ASSIGN(LoadedTable table, catalog_.commit(base, change, context));
  return state_of(std::move(table));
}

Result<std::unique_ptr<Stager>> IcebergSink::stage(const TargetState& state, const Ingestion& ingestion, const ClaimedBatch& batch) {
  TRY(check_properties(loaded(state).metadata, table_));
  Context context;
  TRY_ASSIGN(ObjectStore * data_store, store_for(state.pin.data_location, context));
  TRY_ASSIGN(ObjectStore * metadata_store, store_for(state.pin.metadata_location, context));
  TRY_ASSIGN(ParquetOptions options, ParquetOptions::from_properties(loaded(state).metadata.properties));
  StageTarget target{*data_store, *metadata_store, loaded(state).metadata, state.schema, std::move(options)};
  target.quarantine_prefix = quarantine_prefix(state.pin, batch.lease.batch);
  target.run_id = batch.run.text;
  return make_iceberg_stager(std::move(target), ingestion, batch.lease.batch, clock_.now());
}

Result<Presence> IcebergSink::find(const TargetState& state, const PreparedBatch& batch, Context& context) {
  const TableMetadata& metadata = loaded(state).metadata;
  const AncestorsSay ancestors = ask_ancestors(metadata, batch.snapshot_id, batch.target.base_sequence_number);
  const MarkSays mark = ask_mark(state, batch);
  bool live = false;
  if (needs_paths(ancestors, mark)) {
    TRY_ASSIGN(ObjectStore * store, store_for(state.pin.metadata_location, context));
    const auto paths = data_folders(batch.target.data_location, batch.target.hashed_paths, batch.batch.text);
    TRY_ASSIGN(live, live_paths_contain(*store, metadata, paths, context));
  }
  return decide_presence(ancestors, mark, live);
}

std::optional<std::string> IcebergSink::incompatibility(const TargetState& state, const PreparedBatch& batch) const {
  const TableMetadata& metadata = loaded(state).metadata;
  if (!metadata.find_spec(batch.target.spec_id)) return fmt::format("partition spec {} is gone", batch.target.spec_id);
  if (metadata.current_schema_id == batch.target.schema_id) return std::nullopt;
  const Schema* staged = metadata.find_schema(batch.target.schema_id);
  if (!staged) return fmt::format("schema {} is gone", batch.target.schema_id);
  return first_misfit(metadata.current_schema(), staged->fields);
}

Result<LoadedTable> IcebergSink::commit(const LoadedTable& base, const CommitPlan& plan, Context& context) {
  auto committed = catalog_.commit(base, plan.change, context);
  if (committed) remember(committed->metadata);
  if (!committed && committed.error().code == ErrorCode::kConflict) {
    // Definitely refused: nothing will ever point to what this attempt wrote. (After an unknown outcome it must stay: rule U.)
    std::lock_guard lock(mutex_);
    for (const std::string& path : plan.objects) refused_.push_back({path, ""});
  }
  remove_refused(context);
  return committed;
}

/// What cannot be removed now is tried again behind the next commit: of a batch that nobody took over nobody looks for it later.
void IcebergSink::remove_refused(Context& context) {
  std::lock_guard lock(mutex_);
  if (refused_.empty()) return;
  const auto store = store_for(refused_.front().key, context);
  if (store) remove_what_can_be(**store, refused_, context);
}

Result<Published> IcebergSink::try_publish(const TargetState& state, const PreparedBatch& batch, const Mark& mark, Context& context) {
  const LoadedTable& base = loaded(state);
  TRY_ASSIGN(ObjectStore * store, store_for(state.pin.metadata_location, context));
  TRY_ASSIGN(const auto manifests, parse_staged_manifests(batch.sink_record));
  SnapshotNotes notes = notes_for(batch, "");
  const auto prefix = batch.tracked ? kMarkPrefix : kUntrackedMarkPrefix;
  notes.properties_to_set[std::string(prefix) + batch.ingestion.text] = to_json(mark);
  TRY_ASSIGN(const CommitPlan plan, plan_append(*store, base, manifests, batch.snapshot_id, notes, clock_, context));
  TRY_ASSIGN(const LoadedTable after, commit(base, plan, context));
  return Published{plan.snapshot_id, plan.sequence_number};
}

Result<void> IcebergSink::fence(const TargetState& state, const PreparedBatch& batch, Context& context) {
  const LoadedTable& base = loaded(state);
  TRY_ASSIGN(ObjectStore * store, store_for(state.pin.metadata_location, context));
  SnapshotNotes notes = notes_for(batch, "fence: this batch was given up");
  notes.object_prefix = fence_name(batch.batch);
  TRY_ASSIGN(const CommitPlan plan, plan_fence(*store, base, new_snapshot_id(), notes, clock_, context));
  TRY(commit(base, plan, context));
  return {};
}

Result<Published> IcebergSink::settle(const TargetState& state, const PreparedBatch& batch, Context& context) {
  TRY(catalog_.end_attempts(batch.batch.text, context));
  const TableMetadata& metadata = loaded(state).metadata;
  const Snapshot* snapshot = metadata.find_snapshot(batch.snapshot_id);
  if (!snapshot) return Published{batch.snapshot_id, 0};  // expired since: what it named cannot be told from what others need
  TRY(remove_refused_attempts(metadata, state.pin.metadata_location, batch.batch, *snapshot, context));
  return Published{batch.snapshot_id, snapshot->sequence_number};
}

/// The table moved on to the batch's snapshot, so every other attempt of this batch was refused or will be.
Result<void> IcebergSink::remove_refused_attempts(const TableMetadata& metadata, const std::string& folder, const BatchId& batch,
                                                  const Snapshot& published, Context& context) {
  TRY_ASSIGN(ObjectStore * store, store_for(published.manifest_list, context));
  TRY_ASSIGN(const std::string bytes, read_now(*store, {published.manifest_list, "", {}}));
  TRY_ASSIGN(const auto manifests, read_manifest_list(bytes));
  std::vector<std::string> keep = {published.manifest_list};
  for (const ManifestFile& manifest : manifests) keep.push_back(manifest.path);
  TRY(remove_prefix(fmt::format("{}/{}-snap-", folder, batch.text), keep, context));
  TRY(remove_prefix(fmt::format("{}/{}-merged-", folder, batch.text), keep, context));
  return remove_prefix(fmt::format("{}/{}", folder, fence_name(batch)), manifest_lists(metadata), context);
}

Result<void> IcebergSink::sweep_published(const BatchRecord& batch, Context& context) {
  const int64_t snapshot_id = batch.snapshot_id ? *batch.snapshot_id : batch.prepared ? batch.prepared->snapshot_id : 0;
  if (snapshot_id == 0 || !batch.target) return {};
  TRY_ASSIGN(const auto table, pinned_table(*batch.target, context));
  if (!table) return {};  // renamed, dropped or made anew: whose objects they are cannot be told
  TRY(catalog_.end_attempts(batch.id.text, context));
  const TableMetadata& metadata = table->metadata;
  const Snapshot* published = metadata.find_snapshot(snapshot_id);
  if (!published) return {};  // expired since, as in settle()
  for (const std::string& folder : std::set{batch.target->metadata_location, metadata_location_dir(metadata)}) {
    TRY(remove_refused_attempts(metadata, folder, batch.id, *published, context));
  }
  return {};
}

Presence IcebergSink::confirmed_presence(const TargetState& state, const BatchRecord& batch) const {
  if (!batch.snapshot_id || batch.sequence_number == 0) return Presence::kUnprovable;
  switch (ask_ancestors(loaded(state).metadata, *batch.snapshot_id, batch.sequence_number - 1)) {
    case AncestorsSay::kThere: return Presence::kPresent;
    case AncestorsSay::kNotThere: return Presence::kRolledBack;
    case AncestorsSay::kTruncated: return Presence::kUnprovable;
  }
  return Presence::kUnprovable;
}

Result<std::vector<std::string>> IcebergSink::missing(const PreparedBatch& batch, Context& context) {
  std::vector<std::string> gone;
  for (const StagedObject& object : batch.objects) {
    TRY_ASSIGN(ObjectStore * store, store_for(object.path, context));
    auto info = store->stat(object.path, context);
    if (!info && info.error().code != ErrorCode::kNotFound) return std::unexpected(info.error());
    if (!info || info->size_bytes != object.size_bytes) gone.push_back(object.path);
  }
  return gone;
}

Result<void> IcebergSink::sweep(const TargetPin& target, const BatchId& batch, Context& context) {
  TRY(catalog_.end_attempts(batch.text, context));
  if (target.data_location.empty()) return {};
  TRY_ASSIGN(const auto table, pinned_table(target, context));
  if (table) {
    TRY_ASSIGN(const bool published, holds(table->metadata, target, batch, context));
    if (published) return {};
  }
  for (const std::string& folder : data_folders(target.data_location, target.hashed_paths, batch.text)) {
    TRY(remove_prefix(folder, {}, context));
    TRY_ASSIGN(ObjectStore * data_store, store_for(folder, context));
    data_store->remove_empty_folders(folder);
    TRY(data_store->remove_unfinished(folder, context));
  }
  TRY(remove_prefix(fmt::format("{}/{}-", target.metadata_location, batch.text), {}, context));
  // A withdrawal ends when a fence landed, so no other fence of the batch can land any more: what the table does not name is garbage.
  // Without the table whose they are cannot be told.
  const std::string fences = fmt::format("{}/{}", target.metadata_location, fence_name(batch));
  if (table) TRY(remove_prefix(fences, manifest_lists(table->metadata), context));
  return remove_prefix(quarantine_prefix(target, batch), {}, context);
}

/// nullopt: there is no table of that name, or another one.
Result<std::optional<LoadedTable>> IcebergSink::pinned_table(const TargetPin& target, Context& context) {
  auto table = catalog_.load(table_, context);
  if (!table && table.error().code == ErrorCode::kNotFound) return std::nullopt;
  TRY(table);
  if (table->metadata.table_uuid != target.table_uuid) return std::nullopt;
  stores_.learn(*table);
  return *std::move(table);
}

/// Whether a batch that the ledger calls withdrawn is in the table all the same: the ledger was restored from a backup, and the operator
/// went on by `forget --all`.
Result<bool> IcebergSink::holds(const TableMetadata& metadata, const TargetPin& target, const BatchId& batch, Context& context) {
  if (std::ranges::any_of(metadata.snapshots, [&](const Snapshot& snapshot) { return is_of(snapshot, batch); })) return true;
  if (ask_ancestors(metadata, /*snapshot_id=*/0, target.base_sequence_number) != AncestorsSay::kTruncated) return false;
  TRY_ASSIGN(ObjectStore * store, store_for(metadata_location_dir(metadata), context));
  return live_paths_contain(*store, metadata, data_folders(target.data_location, target.hashed_paths, batch.text), context);
}

Result<void> IcebergSink::remove_prefix(const std::string& prefix, const std::vector<std::string>& keep, Context& context) {
  TRY_ASSIGN(ObjectStore * store, store_for(prefix, context));
  std::set<std::string_view> kept;
  for (const std::string& path : keep) kept.insert(file_name(path));
  ListRequest request{prefix};
  do {
    TRY_ASSIGN(const ListPage page, store->list(request, context));
    std::vector<VersionedKey> keys;
    for (const ObjectInfo& object : page.objects) {
      if (!kept.contains(file_name(object.path))) keys.push_back({object.path, ""});
    }
    TRY_ASSIGN(const auto outcomes, store->remove(keys, context));
    for (const DeleteOutcome& outcome : outcomes) {
      if (outcome.error) return std::unexpected(outcome.error->within("deleting " + outcome.key));
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return {};
}

}  // namespace sluice
