// What a table's live data files were made from: by their footers, else by their column _source_file.
#include <fmt/format.h>

#include "formats/source_column.h"
#include "iceberg/append.h"
#include "pipeline/iceberg_sink.h"
#include "pipeline/iceberg_state.h"

namespace sluice {
namespace {

Result<TracedData> trace_one(ObjectStore& store, const DataFile& file, bool read_rows, Context& context) {
  TracedData traced{.path = file.file_path, .origins = {}, .rows_by_source = {}};
  const bool readable = file.file_format == "PARQUET" || file.file_format == "parquet";
  if (!readable) {
    traced.rows_by_source[""] = file.record_count;
    return traced;
  }
  TRY_ASSIGN(const ObjectInfo object, store.stat(file.file_path, context));
  const auto blob = store.open(object);
  TRY_ASSIGN(traced.origins, read_origins(*blob, context));
  if (!traced.origins && read_rows) {
    TRY_ASSIGN(traced.rows_by_source, rows_by_source(*blob, context));
  }
  return traced;
}

}  // namespace

Result<void> IcebergSink::trace(const TargetState& state, bool read_rows, const TraceVisitor& visit, Context& context) {
  TRY_ASSIGN(ObjectStore * metadata_store, store_for(state.pin.metadata_location, context));
  return for_each_live_file(
      *metadata_store, loaded(state).metadata,
      [&](const ManifestEntry& entry) -> Result<void> {
        if (entry.file.content != FileContent::kData) return {};
        TRY(context.check());
        TRY_ASSIGN(ObjectStore * store, store_for(entry.file.file_path, context));
        auto traced = trace_one(*store, entry.file, read_rows, context);
        if (!traced) return std::unexpected(traced.error().within(entry.file.file_path));
        return visit(*traced);
      },
      context);
}

std::optional<RunId> IcebergSink::newest_run(const TargetState& state, const std::set<IngestionId>& of) const {
  const Snapshot* newest = nullptr;
  for (const Snapshot& snapshot : loaded(state).metadata.snapshots) {
    const auto ingestion = snapshot.summary.find("sluice.ingestion-id");
    if (ingestion == snapshot.summary.end() || !of.contains(IngestionId(ingestion->second)) ||
        !snapshot.summary.contains("sluice.run-id")) {
      continue;
    }
    if (newest == nullptr || newest->sequence_number < snapshot.sequence_number) newest = &snapshot;
  }
  if (newest == nullptr) return std::nullopt;
  return RunId(newest->summary.at("sluice.run-id"));
}

}  // namespace sluice
