// A file's rows are held until it is read to its end; then they join a lane, whose data files it shares with other small files. Bundled
// files' rows come when all of them are read, and are written to a lane at once. A file
// that outgrows kHeldBytesMax becomes large: its rows go straight to data files of its own, dropped whole if it fails. So memory is bound
// by threads * kHeldBytesMax for held rows, lanes * kLaneBytesMax for waiting ones, and the writers' own limit.
#include "pipeline/iceberg_stager.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "iceberg/append.h"
#include "iceberg/data_paths.h"
#include "iceberg/partitioned_writer.h"
#include "pipeline/leftovers.h"
#include "pipeline/quarantine.h"
#include "pipeline/table_rows.h"

namespace sluice {
namespace {

constexpr int64_t kHeldBytesMax = 16 * kMiB;      // of one file's rows in memory before it counts as large
constexpr int64_t kLaneBytesMax = 8 * kMiB;       // of admitted rows that wait to be written together
constexpr int64_t kLaneRowsMax = 8 * 1024;        // few enough that their buffers are still in the cache
constexpr int64_t kWritersBytesMax = 112 * kMiB;  // encoded pages over the open data files of all threads: large files come before small
constexpr int64_t kWriterBytesMin = 16 * kMiB;    // ones, so each thread fills one writer at a time

/// Rows of one file, in file order.
struct RowSegment {
  const ClaimedFile* file = nullptr;  ///< of the batch, which outlives the stager
  std::string source_system;
  int64_t first_row = 0;  ///< of `batch` within its file, good rows only
  std::shared_ptr<arrow::RecordBatch> batch;
};

/// A file being read, or one part of it.
struct HeldFile {
  std::vector<RowSegment> segments;
  int64_t rows = 0, bytes = 0;
  std::unique_ptr<PartitionedWriter> own;  ///< set once the file is large: holds all of its rows
  std::unique_ptr<Quarantine> quarantine;
};

/// Data files that small files share, and the admitted rows that wait for them. One thread at a time.
struct Lane {
  std::mutex mutex;
  std::unique_ptr<PartitionedWriter> writer;
  std::vector<RowSegment> waiting;
  int64_t rows = 0, bytes = 0;
};

arrow::RecordBatchVector parts_of(const std::vector<RowSegment>& segments) {
  arrow::RecordBatchVector parts;
  for (const RowSegment& segment : segments) parts.push_back(segment.batch);
  return parts;
}

std::vector<RowOrigin> origins_of(const std::vector<RowSegment>& segments) {
  std::vector<RowOrigin> origins;
  for (const RowSegment& segment : segments) {
    origins.push_back({segment.file->path, segment.source_system, segment.first_row, segment.batch->num_rows(), segment.file->version});
  }
  return origins;
}

std::vector<OriginShare> shares_of(const std::vector<RowOrigin>& origins) {
  std::vector<OriginShare> shares;
  for (const RowOrigin& origin : origins) shares.push_back({origin.row_count, origin.file_path, origin.version});
  return shares;
}

void append_ranges(std::vector<RowRange>& ranges, std::vector<RowRange> more) {
  for (RowRange& range : more) {
    if (!ranges.empty() && ranges.back().data_file == range.data_file &&
        ranges.back().first_row + ranges.back().row_count == range.first_row) {
      ranges.back().row_count += range.row_count;
    } else {
      ranges.push_back(std::move(range));
    }
  }
}

class IcebergStager final : public Stager {
 public:
  IcebergStager(StageTarget target, const Ingestion& ingestion, const BatchId& batch, Timestamp loaded_at)
      : target_(std::move(target)),
        ingestion_(ingestion),
        batch_(batch),
        facts_{loaded_at, batch.text},
        lanes_(std::max(1u, std::thread::hardware_concurrency())) {}

  Result<void> append(const ClaimedFile& file, RowBlock block, Context& context) override {
    HeldFile& held = held_file(file, 0);
    if (!block.bad_rows.empty()) {
      if (!held.quarantine) held.quarantine = std::make_unique<Quarantine>(target_.data_store, target_.quarantine_prefix, file.path);
      TRY(held.quarantine->add(block.bad_rows, context));
    }
    return hold(held, file, std::move(block), kHeldBytesMax, context);
  }

  /// A part is large from its first block on: its rows lie in data files of its own, so that the file's ranges keep the parts' order.
  Result<void> append_part(const ClaimedFile& file, int part, RowBlock block, Context& context) override {
    return hold(held_file(file, part), file, std::move(block), 0, context);
  }

  Result<void> admit(const ClaimedFile& file, Context& context) override {
    std::vector<StagedFile> files;
    std::vector<StagedObject> objects;
    FileRows rows;
    const HeldParts parts = take(file);
    for (const auto& [part, held] : parts) {
      rows.rows += held->rows;
      if (held->own) {
        TRY_ASSIGN(auto own, held->own->finish(context));
        // Not noted block by block: with many partitions that is a place for each block and partition.
        for (const StagedFile& whole : own) rows.ranges.push_back({whole.file.path, 0, whole.file.rows});
        std::ranges::move(own, std::back_inserter(files));
      }
      if (held->quarantine) {
        TRY_ASSIGN(auto object, held->quarantine->finish(context));
        if (object) objects.push_back(*std::move(object));
      }
      if (!held->segments.empty()) TRY(join_lane(held->segments, context));
    }
    std::lock_guard lock(mutex_);
    FileRows& admitted = staged_.files[file.path];
    admitted.rows = rows.rows;
    append_ranges(admitted.ranges, std::move(rows.ranges));
    std::ranges::move(files, std::back_inserter(data_files_));
    std::ranges::move(objects, std::back_inserter(staged_.objects));
    return {};
  }

  Result<void> admit_together(std::span<const BundledFile> files, const arrow::RecordBatch& rows, Context& context) override {
    std::vector<RowOrigin> origins;
    for (const BundledFile& file : files)
      origins.push_back({file.file->path, source_system_of(*file.file), 0, file.rows, file.file->version});
    std::vector<std::vector<RowRange>> ranges(files.size());
    if (rows.num_rows() > 0) {
      Lane* lane = nullptr;
      auto lock = lock_lane(lane);
      TRY_ASSIGN(ranges, write(*lane, {rows.Slice(0)}, origins, context));
    }
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < files.size(); ++i) staged_.files[files[i].file->path] = {files[i].rows, std::move(ranges[i])};
    return {};
  }

  void reject(const ClaimedFile& file, Context& context) override {
    const HeldParts parts = take(file);
    std::vector<VersionedKey> keys;
    for (const auto& [part, held] : parts) {
      if (!held->own) continue;
      for (const std::string& path : held->own->paths()) keys.push_back({path, ""});
      held->own.reset();
    }
    if (keys.empty()) return;
    remove_what_can_be(target_.data_store, keys, context);
    std::lock_guard lock(mutex_);
    rejected_large_ = true;
    std::ranges::move(keys, std::back_inserter(rejected_));
  }

  Result<StagedData> finish(int64_t snapshot_id, Context& context) override {
    for (Lane& lane : lanes_) {
      TRY(flush(lane, context));
      if (!lane.writer) continue;
      TRY_ASSIGN(auto files, lane.writer->finish(context));
      std::ranges::move(files, std::back_inserter(data_files_));
    }
    remove_rejected(context);
    for (const StagedFile& file : data_files_) {
      staged_.rows += file.file.rows;
      staged_.objects.push_back({file.file.path, file.file.size_bytes, "data"});
    }
    TRY_ASSIGN(const auto manifests, write_append_manifests(target_.metadata_store, target_.metadata, target_.metadata.default_spec_id,
                                                            data_files_, snapshot_id, batch_.text + "-", context));
    for (const StagedManifest& manifest : manifests) {
      staged_.objects.push_back({manifest.manifest.path, manifest.manifest.length, "manifest"});
    }
    staged_.sink_record = to_json(manifests);
    return std::move(staged_);
  }

 private:
  using HeldParts = std::map<int, std::unique_ptr<HeldFile>>;

  HeldFile& held_file(const ClaimedFile& file, int part) {
    std::lock_guard lock(mutex_);
    auto& held = held_[file.path][part];
    if (!held) held = std::make_unique<HeldFile>();
    return *held;
  }

  HeldParts take(const ClaimedFile& file) {
    std::lock_guard lock(mutex_);
    auto it = held_.find(file.path);
    if (it == held_.end()) return {};
    auto held = std::move(it->second);
    held_.erase(it);
    return held;
  }

  Result<void> hold(HeldFile& held, const ClaimedFile& file, RowBlock block, int64_t bytes_max, Context& context) {
    if (block.batch->num_rows() == 0) return {};
    held.rows += block.batch->num_rows();
    held.bytes += bytes_in(*block.batch);
    held.segments.push_back({&file, std::string(source_system_of(file)), block.first_row, std::move(block.batch)});
    return held.own || held.bytes > bytes_max ? write_large(held, context) : Result<void>{};
  }

  std::string_view source_system_of(const ClaimedFile& file) const {
    auto it = std::ranges::find(ingestion_.sources, file.source, &Source::id);
    return it == ingestion_.sources.end() ? std::string_view() : it->source_system;
  }

  Result<std::unique_ptr<PartitionedWriter>> open_writer() const {
    PartitionedWriterLimits limits;
    limits.buffered_bytes_max = std::max(kWriterBytesMin, kWritersBytesMax / std::ssize(lanes_));
    return open_partitioned_writer(target_.data_store, target_.metadata, target_.schema, target_.parquet, batch_.text, limits,
                                   {ingestion_.id.text, ingestion_.name, batch_.text, target_.run_id, {}});
  }

  Result<void> write_large(HeldFile& held, Context& context) {
    if (!held.own) {
      TRY_ASSIGN(held.own, open_writer());
    }
    const auto origins = origins_of(held.segments);
    TRY_ASSIGN(const auto rows, table_rows(target_.schema, parts_of(held.segments), origins, facts_));
    TRY(held.own->append(*rows, shares_of(origins), context));
    held.segments.clear();
    return {};
  }

  /// Once more, what reject() failed to remove, and uploads that it may have failed to end: of a batch that is committed nobody
  /// looks for them. That they stay all the same is no reason to lose the rows of other files.
  void remove_rejected(Context& context) {
    if (!rejected_large_) return;
    if (!rejected_.empty()) remove_what_can_be(target_.data_store, rejected_, context);
    for (const std::string& folder : data_folders(data_location(target_.metadata), data_layout(target_.metadata).hashed, batch_.text)) {
      (void)target_.data_store.remove_unfinished(folder, context);
    }
  }

  /// The first lane that nobody uses, or wait for one.
  std::unique_lock<std::mutex> lock_lane(Lane*& lane) {
    for (Lane& candidate : lanes_) {
      std::unique_lock lock(candidate.mutex, std::try_to_lock);
      if (lock) {
        lane = &candidate;
        return lock;
      }
    }
    lane = &lanes_.front();
    return std::unique_lock(lane->mutex);
  }

  Result<void> join_lane(std::vector<RowSegment>& segments, Context& context) {
    Lane* lane = nullptr;
    auto lock = lock_lane(lane);
    for (RowSegment& segment : segments) {
      lane->rows += segment.batch->num_rows();
      lane->bytes += bytes_in(*segment.batch);
      lane->waiting.push_back(std::move(segment));
    }
    if (lane->rows < kLaneRowsMax && lane->bytes < kLaneBytesMax) return {};
    return flush(*lane, context);
  }

  Result<void> flush(Lane& lane, Context& context) {
    if (lane.waiting.empty()) return {};
    const std::vector<RowSegment> segments = std::exchange(lane.waiting, {});
    lane.rows = lane.bytes = 0;
    TRY_ASSIGN(auto ranges, write(lane, parts_of(segments), origins_of(segments), context));
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < segments.size(); ++i) append_ranges(staged_.files[segments[i].file->path].ranges, std::move(ranges[i]));
    return {};
  }

  /// Where the rows of each origin went.
  Result<std::vector<std::vector<RowRange>>> write(Lane& lane, const arrow::RecordBatchVector& parts, const std::vector<RowOrigin>& origins,
                                                   Context& context) {
    if (!lane.writer) {
      TRY_ASSIGN(lane.writer, open_writer());
    }
    TRY_ASSIGN(const auto rows, table_rows(target_.schema, parts, origins, facts_));
    return lane.writer->append(*rows, shares_of(origins), context);
  }

  StageTarget target_;
  const Ingestion& ingestion_;
  const BatchId batch_;
  const BatchFacts facts_;
  std::vector<Lane> lanes_;                          // sized once: a Lane does not move
  std::mutex mutex_;                                 // protects what follows; taken after a lane's
  std::unordered_map<std::string, HeldParts> held_;  // by path
  std::vector<StagedFile> data_files_;
  bool rejected_large_ = false;         // a file that had data files of its own
  std::vector<VersionedKey> rejected_;  // those of them that could not be removed
  StagedData staged_;
};

}  // namespace

std::unique_ptr<Stager> make_iceberg_stager(StageTarget target, const Ingestion& ingestion, const BatchId& batch, Timestamp loaded_at) {
  return std::make_unique<IcebergStager>(std::move(target), ingestion, batch, loaded_at);
}

}  // namespace sluice
