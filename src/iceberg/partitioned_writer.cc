#include "iceberg/partitioned_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "iceberg/partition_keys.h"
#include "iceberg/writer_properties.h"
#include "schema/schema_json.h"

namespace sluice {

/// Begins the upload with the first byte: a file whose rows are all still in memory costs the store nothing.
class LazyUpload final : public ByteSink {
 public:
  LazyUpload(ObjectStore& store, std::string key) : store_(store), key_(std::move(key)) {}

  bool is_started() const { return upload_ != nullptr; }

  Result<void> write(std::span<const char> bytes, Context& context) override {
    if (!upload_) {
      TRY_ASSIGN(upload_, store_.start_upload(key_, {.if_none_match = true}, context));
    }
    return upload_->write(bytes, context);
  }
  Result<void> finish(Context& context) override { return upload_->finish(context); }

 private:
  ObjectStore& store_;
  const std::string key_;
  std::unique_ptr<Upload> upload_;
};

namespace {

/// Freeing less than this is not worth a row group: the whole file is finished instead.
constexpr int64_t kRowGroupBytesMin = 8 * kMiB;

/// A partition's values as bytes that differ whenever the values do.
std::string key_of(const std::vector<BoundPartitionField>& fields, const std::vector<Literal>& values) {
  std::string key;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (is_null(values[i])) {
      key += 'n';
      continue;
    }
    const auto type = result_type(fields[i].transform, fields[i].source_type);  // bind_spec has checked it
    const std::string bytes = to_single_value(**type, values[i]);
    key += fmt::format("{}:", bytes.size());
    key += bytes;
  }
  return key;
}

/// Row numbers grouped by partition, each group in rising order.
struct Groups {
  std::shared_ptr<arrow::Int32Array> rows;
  std::vector<int32_t> starts;  ///< of each group in `rows`, and the end of the last

  int64_t size(size_t group) const { return starts[group + 1] - starts[group]; }
  int32_t first(size_t group) const { return rows->Value(starts[group]); }
  /// The group's rows follow one another in the batch.
  bool is_run(size_t group) const { return rows->Value(starts[group + 1] - 1) - first(group) + 1 == size(group); }
};

Groups group_rows(const PartitionKeys& keys) {
  Groups groups;
  groups.starts.assign(keys.tuples.size() + 1, 0);
  for (const int32_t code : keys.codes) ++groups.starts[code + 1];
  for (size_t i = 1; i < groups.starts.size(); ++i) groups.starts[i] += groups.starts[i - 1];
  std::vector<int32_t> next(groups.starts.begin(), groups.starts.end() - 1), rows(keys.codes.size());
  for (size_t row = 0; row < rows.size(); ++row) rows[next[keys.codes[row]]++] = static_cast<int32_t>(row);
  const auto count = static_cast<int64_t>(rows.size());
  groups.rows = std::make_shared<arrow::Int32Array>(count, arrow::Buffer::FromVector(std::move(rows)));
  return groups;
}

Result<std::shared_ptr<arrow::RecordBatch>> rows_of_group(const arrow::RecordBatch& batch, const Groups& groups, size_t group) {
  // A slice keeps the whole batch in memory for as long as its rows wait: only where it is most of it.
  if (groups.is_run(group) && groups.size(group) * 2 >= batch.num_rows()) return batch.Slice(groups.first(group), groups.size(group));
  const auto rows = groups.rows->Slice(groups.starts[group], groups.size(group));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const auto& column : batch.columns()) {
    auto taken = arrow::compute::Take(*column, *rows, arrow::compute::TakeOptions::NoBoundsCheck());
    if (!taken.ok()) return invalid_input(fmt::format("sorting rows by partition: {}", taken.status().message()));
    columns.push_back(std::move(taken).ValueUnsafe());
  }
  return arrow::RecordBatch::Make(batch.schema(), groups.size(group), std::move(columns));
}

void append_range(std::vector<RowRange>& ranges, RowRange range) {
  const bool continues =
      !ranges.empty() && ranges.back().data_file == range.data_file && ranges.back().first_row + ranges.back().row_count == range.first_row;
  if (continues) {
    ranges.back().row_count += range.row_count;
  } else {
    ranges.push_back(std::move(range));
  }
}

/// Rows of one origin that go to one group.
struct Cut {
  size_t origin = 0, group = 0;
  int64_t rows = 0;
};

/// The shares of the origins in the groups, origin by origin. A group's rows keep their order, so each origin's lie together.
/// `codes`: the group of each row; empty: there is one group.
std::vector<Cut> cut_by_group(std::span<const OriginShare> shares, const std::vector<int32_t>& codes, size_t groups) {
  std::vector<Cut> cuts;
  std::vector<int64_t> rows_in(groups, 0);  // of the origin in hand, by group
  std::vector<size_t> touched;
  size_t row = 0;
  for (size_t origin = 0; origin < shares.size(); ++origin) {
    if (codes.empty()) {
      if (shares[origin].rows > 0) cuts.push_back({origin, 0, shares[origin].rows});
      continue;
    }
    for (const size_t end = row + static_cast<size_t>(shares[origin].rows); row < end; ++row) {
      const auto group = static_cast<size_t>(codes[row]);
      if (rows_in[group]++ == 0) touched.push_back(group);
    }
    for (const size_t group : touched) cuts.push_back({origin, group, std::exchange(rows_in[group], 0)});
    touched.clear();
  }
  return cuts;
}

/// By group: what its rows are of, in their order.
std::vector<std::vector<OriginShare>> shares_of_groups(std::span<const OriginShare> shares, const std::vector<Cut>& cuts, size_t groups) {
  std::vector<std::vector<OriginShare>> of_groups(groups);
  for (const Cut& cut : cuts) of_groups[cut.group].push_back({cut.rows, shares[cut.origin].path, shares[cut.origin].version});
  return of_groups;
}

/// By origin: where its rows went, given where those of each group did.
std::vector<std::vector<RowRange>> share_out(std::vector<RowRange> written, const std::vector<Cut>& cuts, size_t origins) {
  std::vector<std::vector<RowRange>> shares(origins);
  for (const Cut& cut : cuts) {
    RowRange& from = written[cut.group];
    append_range(shares[cut.origin], {from.data_file, from.first_row, cut.rows});
    from.first_row += cut.rows;
  }
  return shares;
}

/// Notes whose rows come next; a file's rows in one run are one entry.
void note_origin(std::vector<OriginShare>& origins, const OriginShare& next) {
  if (next.path.empty() || next.rows == 0) return;
  if (!origins.empty() && origins.back().path == next.path && origins.back().version == next.version) {
    origins.back().rows += next.rows;
  } else {
    origins.push_back(next);
  }
}

}  // namespace

PartitionedWriter::PartitionedWriter(ObjectStore& store, Target target, const PartitionedWriterLimits& limits)
    : store_(store), target_(std::move(target)), limits_(limits) {}

PartitionedWriter::~PartitionedWriter() = default;

Result<std::vector<RowRange>> PartitionedWriter::append(const arrow::RecordBatch& batch, Context& context) {
  const OriginShare all[] = {{batch.num_rows()}};
  TRY_ASSIGN(auto ranges, append(batch, all, context));
  return std::move(ranges.front());
}

Result<std::vector<std::vector<RowRange>>> PartitionedWriter::append(const arrow::RecordBatch& batch, std::span<const OriginShare> shares,
                                                                     Context& context) {
  if (batch.num_rows() == 0) return std::vector<std::vector<RowRange>>(shares.size());
  if (target_.fields.empty()) {
    TRY_ASSIGN(RowRange all, write({}, batch, shares, context));
    return share_out({std::move(all)}, cut_by_group(shares, {}, 1), shares.size());
  }
  const PartitionKeys keys = partition_keys(target_.fields, target_.schema, batch);
  const Groups groups = group_rows(keys);
  const auto cuts = cut_by_group(shares, keys.codes, keys.tuples.size());
  const auto of_groups = shares_of_groups(shares, cuts, keys.tuples.size());
  std::vector<RowRange> written;
  for (size_t group = 0; group < keys.tuples.size(); ++group) {
    TRY_ASSIGN(const auto rows, rows_of_group(batch, groups, group));
    TRY_ASSIGN(RowRange range, write(keys.tuples[group], *rows, of_groups[group], context));
    written.push_back(std::move(range));
  }
  return share_out(std::move(written), cuts, shares.size());
}

Result<std::vector<StagedFile>> PartitionedWriter::finish(Context& context) {
  while (!open_.empty()) TRY(close(open_.begin(), context));
  return std::exchange(finished_, {});
}

Result<RowRange> PartitionedWriter::write(const std::vector<Literal>& partition, const arrow::RecordBatch& rows,
                                          std::span<const OriginShare> shares, Context& context) {
  TRY_ASSIGN(const auto entry, open(partition, context));
  OpenFile& file = entry->second;
  file.last_used = ++uses_;
  RowRange range{file.path, file.writer->rows(), rows.num_rows()};
  TRY(file.writer->append(rows, context));
  for (const OriginShare& share : shares) note_origin(file.origins, share);
  count(file);
  if (file.writer->size_bytes_estimate() >= target_.file_bytes) TRY(close(entry, context));
  TRY(keep_limits(context));
  return range;
}

Result<PartitionedWriter::OpenFiles::iterator> PartitionedWriter::open(const std::vector<Literal>& partition, Context& context) {
  std::string key = key_of(target_.fields, partition);
  if (const auto found = open_.find(key); found != open_.end()) return found;
  if (std::ssize(open_) >= limits_.open_files_max) {
    TRY(close(most([](const OpenFile& a, const OpenFile& b) { return a.buffered_bytes < b.buffered_bytes; }), context));
  }
  OpenFile file;
  file.path = data_file_path(target_.layout, target_.batch, partition_path(target_.fields, partition), new_uuid());
  file.partition = partition;
  auto upload = std::make_unique<LazyUpload>(store_, file.path);
  file.upload = upload.get();
  TRY_ASSIGN(file.writer, open_parquet_writer(std::move(upload), file.path, target_.schema, target_.parquet));
  paths_.push_back(file.path);
  return open_.emplace(std::move(key), std::move(file)).first;
}

Result<void> PartitionedWriter::close(OpenFiles::iterator file, Context& context) {
  auto footer = target_.footer;
  if (!file->second.origins.empty()) {
    Origins origins = target_.made_by;
    for (const OriginShare& share : file->second.origins) {
      origins.files.push_back({std::string(share.path), std::string(share.version), share.rows});
    }
    footer.emplace(kOriginsKey, to_footer(origins));
  }
  TRY_ASSIGN(WrittenFile written, file->second.writer->finish(footer, context));
  finished_.push_back({std::move(written), std::move(file->second.partition)});
  buffered_bytes_ -= file->second.buffered_bytes;
  if (file->second.uploading) --open_uploads_;
  open_.erase(file);
  return {};
}

Result<void> PartitionedWriter::keep_limits(Context& context) {
  while (buffered_bytes_ > limits_.buffered_bytes_max && !open_.empty()) {
    const auto largest = most([](const OpenFile& a, const OpenFile& b) { return a.buffered_bytes < b.buffered_bytes; });
    OpenFile& file = largest->second;
    if (file.buffered_bytes < kRowGroupBytesMin) {
      TRY(close(largest, context));
      continue;
    }
    const int64_t before = file.buffered_bytes;
    TRY(file.writer->cut_row_group(context));
    count(file);
    if (file.buffered_bytes > before / 2) TRY(close(largest, context));
  }
  while (open_uploads_ > limits_.open_uploads_max) {
    TRY(close(most([](const OpenFile& a, const OpenFile& b) {
                if (a.uploading != b.uploading) return b.uploading;
                return a.last_used > b.last_used;
              }),
              context));
  }
  return {};
}

void PartitionedWriter::count(OpenFile& file) {
  buffered_bytes_ -= file.buffered_bytes;
  file.buffered_bytes = file.writer->buffered_bytes();
  buffered_bytes_ += file.buffered_bytes;
  if (!file.uploading && file.upload->is_started()) {
    file.uploading = true;
    ++open_uploads_;
  }
}

template <class Less>
PartitionedWriter::OpenFiles::iterator PartitionedWriter::most(const Less& less) {
  return std::max_element(open_.begin(), open_.end(), [&](const auto& a, const auto& b) { return less(a.second, b.second); });
}

Result<std::unique_ptr<PartitionedWriter>> open_partitioned_writer(ObjectStore& store, const TableMetadata& metadata, const Schema& schema,
                                                                   const ParquetOptions& options, const std::string& batch,
                                                                   const PartitionedWriterLimits& limits, Origins made_by) {
  PartitionedWriter::Target target;
  target.made_by = std::move(made_by);
  target.layout = data_layout(metadata);
  target.batch = batch;
  target.schema = schema;
  TRY_ASSIGN(target.fields, bind_spec(metadata.default_spec(), schema));
  target.parquet = options;
  const auto properties = WriterProperties::from(metadata.properties);
  if (properties.unreadable) return std::unexpected(*properties.unreadable);
  target.file_bytes = properties.target_file_bytes;
  target.footer["iceberg.schema"] = to_json(schema).dump();
  return std::make_unique<PartitionedWriter>(store, std::move(target), limits);
}

}  // namespace sluice
