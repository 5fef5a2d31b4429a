#include "parquet/parquet_writer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>

#include "parquet/arrow_sink.h"
#include "parquet/dictionary_choice.h"
#include "parquet/measured_file.h"
#include "parquet/metrics.h"
#include "schema/arrow_schema.h"

namespace sluice {
namespace {

/// Rows kept back before the file is opened, to choose encodings.
constexpr int64_t kSampleRowsMax = kDictionarySampleValues;
constexpr int64_t kSampleBytesMax = 2 * kMiB;
/// Arrow's cost per batch and column is that of some hundred rows: smaller appends are gathered until there are so many.
constexpr int64_t kGatheredRowsMin = 4096;
constexpr int64_t kGatheredBytesMax = kMiB;
/// What Arrow keeps for a column of a batch beside its values: of a few rows it is more than they are.
constexpr int64_t kColumnOverheadBytes = 512;
/// So many batches of so few rows become one while they wait.
constexpr size_t kSmallBatchesMax = 8;
constexpr int64_t kSmallBatchRows = 512;
/// Rows given to Arrow at once: how far a row group may grow past its limit in bytes.
constexpr int64_t kSliceRowsMax = 32 * 1024;
/// Rows that Arrow encodes between two looks at the size of a page: fewer where rows are wide, so that a page stays near its limit.
constexpr int64_t kRowsBetweenPageChecksMin = 16;
/// Level 3 costs seven times this one on string pages and saves 3%.
constexpr int kZstdLevelDefault = 1;

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

Result<arrow::Compression::type> find_codec(const std::string& name) {
  using arrow::Compression;
  static const std::map<std::string, Compression::type> kCodecs = {
      {"zstd", Compression::ZSTD}, {"snappy", Compression::SNAPPY}, {"gzip", Compression::GZIP},
      {"lz4", Compression::LZ4},   {"brotli", Compression::BROTLI}, {"uncompressed", Compression::UNCOMPRESSED}};
  const auto found = kCodecs.find(name);
  if (found == kCodecs.end()) return invalid_input(fmt::format("unknown Parquet compression \"{}\"", name));
  if (!arrow::util::Codec::IsAvailable(found->second)) {
    return invalid_input(fmt::format("Parquet compression \"{}\" is not built into this program", name));
  }
  return found->second;
}

bool has_floats(const Type& type) {
  if (!type.is_nested()) return type.id == TypeId::kFloat || type.id == TypeId::kDouble;
  return std::ranges::any_of(type.fields, [](const Field& field) { return has_floats(*field.type); });
}

/// Distinct values for which a split block bloom filter of at most `bytes` is enough (Parquet's format specification, BloomFilter.md): its
/// size is the next power of two of what they need.
int64_t values_in_filter(int64_t bytes, double false_positives) {
  constexpr double kHashes = 8, kBitsOfByte = 8, kRoundingSlack = 0.99;
  const double bits = static_cast<double>(std::bit_floor(static_cast<uint64_t>(bytes))) * kBitsOfByte;
  const double values = -bits / kHashes * std::log1p(-std::pow(false_positives, 1 / kHashes));
  return std::max(int64_t{1}, static_cast<int64_t>(kRoundingSlack * values));
}

/// Columns of a Parquet file as Arrow names them: with the list, element and key_value groups in between.
std::vector<std::string> column_paths(const parquet::SchemaDescriptor& descriptor) {
  std::vector<std::string> paths;
  for (int i = 0; i < descriptor.num_columns(); ++i) paths.push_back(descriptor.Column(i)->path()->ToDotString());
  return paths;
}

class BufferedParquetWriter final : public ParquetWriter {
 public:
  BufferedParquetWriter(std::unique_ptr<ByteSink> sink, std::string path, const Schema& schema, const ParquetOptions& options,
                        arrow::Compression::type codec)
      : path_(std::move(path)),
        schema_(schema),
        options_(options),
        codec_(codec),
        arrow_schema_(to_arrow(schema)),
        leaves_(leaves_of(schema_)),
        sink_(std::make_shared<ArrowSink>(std::move(sink))) {}

  ~BufferedParquetWriter() override { sink_->drop(); }

  Result<void> append(const arrow::RecordBatch& batch, Context& context) override {
    TRY(context.check());
    TRY_ASSIGN(Arrays columns, conform(batch));
    if (batch.num_rows() == 0) return {};
    sink_->use(context);
    auto rows = arrow::RecordBatch::Make(arrow_schema_, batch.num_rows(), std::move(columns));
    rows_ += batch.num_rows();
    if (file_ && waiting_.empty() && rows->num_rows() >= kGatheredRowsMin) return write(*rows);
    TRY(keep_waiting(std::move(rows)));
    const int64_t rows_max = file_ ? kGatheredRowsMin : kSampleRowsMax, bytes_max = file_ ? kGatheredBytesMax : kSampleBytesMax;
    if (waiting_rows_ < rows_max && waiting_bytes_ < bytes_max) return {};
    return write_waiting();
  }

  int64_t rows() const override { return rows_; }

  int64_t size_bytes_estimate() const override { return sink_->position() + row_group_.size_bytes() + waiting_bytes_; }

  int64_t buffered_bytes() const override { return pool_.bytes_allocated() + waiting_bytes_; }

  Result<void> cut_row_group(Context& context) override {
    sink_->use(context);
    TRY(write_waiting());
    try {
      row_group_.close();
    } catch (const parquet::ParquetException& e) {
      return sink_->failure(path_, arrow::Status::IOError(e.what()));
    }
    group_open_ = false;
    return {};
  }

  Result<WrittenFile> finish(const std::map<std::string, std::string>& footer, Context& context) override {
    sink_->use(context);
    TRY(write_waiting());
    std::vector<std::string> keys, values;
    for (const auto& [key, value] : footer) {
      keys.push_back(key);
      values.push_back(value);
    }
    TRY(check(file_->AddKeyValueMetadata(arrow::key_value_metadata(std::move(keys), std::move(values)))));
    TRY(check(file_->Close()));
    TRY_ASSIGN(WrittenFile written, describe(*file_->metadata()));
    auto finished = sink_->finish(context);
    if (!finished) return std::unexpected(finished.error().within(fmt::format("writing {}", path_)));
    return written;
  }

 private:
  Result<void> check(const arrow::Status& status) const {
    if (!status.ok()) return sink_->failure(path_, status);
    return {};
  }

  /// The batch's columns in the file's types.
  Result<Arrays> conform(const arrow::RecordBatch& batch) const {
    if (batch.num_columns() != arrow_schema_->num_fields()) {
      return invalid_input(
          fmt::format("writing {}: a batch of {} columns for a schema of {}", path_, batch.num_columns(), arrow_schema_->num_fields()));
    }
    Arrays columns = batch.columns();
    for (int i = 0; i < batch.num_columns(); ++i) {
      const arrow::Field& field = *arrow_schema_->field(i);
      if (columns[i]->type_id() == arrow::Type::DICTIONARY) {
        const auto& coded = static_cast<const arrow::DictionaryArray&>(*columns[i]);
        auto decoded = arrow::compute::Take(*coded.dictionary(), *coded.indices(), arrow::compute::TakeOptions::NoBoundsCheck());
        TRY(check(decoded.status()));
        columns[i] = std::move(decoded).ValueUnsafe();
      }
      if (batch.column_name(i) != field.name() || !columns[i]->type()->Equals(field.type())) {
        return invalid_input(fmt::format("writing {}: column {} is {} {}, expected {} {}", path_, i + 1, batch.column_name(i),
                                         columns[i]->type()->ToString(), field.name(), field.type()->ToString()));
      }
      if (!field.nullable() && columns[i]->null_count() > 0) {
        return invalid_input(fmt::format("writing {}: required column {} has no value in a row", path_, field.name()));
      }
    }
    return columns;
  }

  void set_properties(parquet::WriterProperties::Builder& builder, int64_t row_bytes) {
    builder.memory_pool(&pool_);
    builder.version(parquet::ParquetVersion::PARQUET_2_6);
    builder.data_page_version(parquet::ParquetDataPageVersion::V1);
    builder.enable_store_decimal_as_integer();
    builder.compression(codec_);
    if (options_.compression_level) {
      builder.compression_level(*options_.compression_level);
    } else if (codec_ == arrow::Compression::ZSTD) {
      builder.compression_level(kZstdLevelDefault);
    }
    builder.data_pagesize(options_.page_bytes);
    builder.max_rows_per_page(options_.page_rows);
    builder.write_batch_size(std::clamp(options_.page_bytes / std::max<int64_t>(1, row_bytes), kRowsBetweenPageChecksMin,
                                        std::max(kRowsBetweenPageChecksMin, options_.page_rows)));
    builder.set_size_statistics_level(parquet::SizeStatisticsLevel::None);  // 5% of the time for what no Iceberg reader uses
    builder.dictionary_pagesize_limit(options_.dictionary_bytes);
    builder.max_row_group_length(std::numeric_limits<int64_t>::max());  // row groups are cut here, where NaNs are counted
  }

  /// As large as the values need, and as the properties allow. Parquet has none of booleans.
  void set_bloom_filters(parquet::WriterProperties::Builder& builder, const std::vector<std::string>& paths) const {
    for (size_t i = 0; i < paths.size(); ++i) {
      const auto wanted = options_.bloom_filters.find(leaves_[i].name);
      if (wanted == options_.bloom_filters.end() || leaves_[i].type->id == TypeId::kBoolean) continue;
      const int64_t room = values_in_filter(options_.bloom_filter_bytes_max, wanted->second.false_positives);
      builder.enable_bloom_filter(
          paths[i], {.ndv = std::min(wanted->second.distinct.value_or(room), room), .fpp = wanted->second.false_positives, .fold = true});
    }
  }

  /// Opens the file with encodings chosen by its first rows.
  Result<void> open_file(const arrow::RecordBatch& first_rows, int64_t row_bytes) {
    parquet::WriterProperties::Builder builder;
    set_properties(builder, row_bytes);
    auto arrow_properties = parquet::ArrowWriterProperties::Builder().build();
    std::shared_ptr<parquet::SchemaDescriptor> descriptor;
    TRY(check(parquet::arrow::ToParquetSchema(arrow_schema_.get(), *builder.build(), *arrow_properties, &descriptor)));
    const std::vector<std::string> paths = column_paths(*descriptor);
    const std::vector<bool> pays = dictionary_pays(leaves_, first_rows);
    for (size_t i = 0; i < paths.size(); ++i) {
      if (!pays[i]) builder.disable_dictionary(paths[i]);
    }
    set_bloom_filters(builder, paths);
    try {
      const auto root = std::static_pointer_cast<parquet::schema::GroupNode>(descriptor->schema_root());
      auto file = open_measured_file(sink_, root, builder.build(), row_group_);
      TRY(check(parquet::arrow::FileWriter::Make(&pool_, std::move(file), arrow_schema_, arrow_properties, &file_)));
    } catch (const parquet::ParquetException& e) {
      return sink_->failure(path_, arrow::Status::Invalid(e.what()));
    }
    return {};
  }

  Result<void> keep_waiting(std::shared_ptr<arrow::RecordBatch> rows) {
    waiting_rows_ += rows->num_rows();
    small_batches_ = rows->num_rows() < kSmallBatchRows ? small_batches_ + 1 : 0;
    waiting_bytes_ += held_by(*rows);
    waiting_.push_back(std::move(rows));
    if (small_batches_ < kSmallBatchesMax) return {};
    const arrow::RecordBatchVector small(waiting_.end() - kSmallBatchesMax, waiting_.end());
    auto together = arrow::ConcatenateRecordBatches(small);
    TRY(check(together.status()));
    for (const auto& one : small) waiting_bytes_ -= held_by(*one);
    waiting_.resize(waiting_.size() - kSmallBatchesMax);
    waiting_.push_back(std::move(together).ValueUnsafe());
    waiting_bytes_ += held_by(*waiting_.back());
    small_batches_ = 0;
    return {};
  }

  static int64_t held_by(const arrow::RecordBatch& rows) {
    int64_t bytes = kColumnOverheadBytes * rows.num_columns();
    for (const auto& column : rows.columns()) bytes += bytes_of(*column);
    return bytes;
  }

  Result<void> write_waiting() {
    if (file_ && waiting_.empty()) return {};
    const int64_t row_bytes = waiting_bytes_ / std::max<int64_t>(1, waiting_rows_);
    const auto waiting = std::exchange(waiting_, {});
    waiting_rows_ = waiting_bytes_ = 0;
    small_batches_ = 0;
    auto together = waiting.empty() ? arrow::RecordBatch::MakeEmpty(arrow_schema_) : arrow::ConcatenateRecordBatches(waiting);
    TRY(check(together.status()));
    if (!file_) TRY(open_file(**together, row_bytes));
    return write(**together);
  }

  Result<void> write(const arrow::RecordBatch& rows) {
    for (int64_t at = 0; at < rows.num_rows();) {
      if (group_rows_ >= options_.row_group_rows || group_bytes_ >= options_.row_group_bytes) group_open_ = false;
      if (!group_open_) TRY(start_row_group());
      const int64_t count = std::min({rows.num_rows() - at, kSliceRowsMax, options_.row_group_rows - group_rows_});
      const auto slice = rows.Slice(at, count);
      TRY(check(file_->WriteRecordBatch(*slice)));
      count_nans_of(*slice);
      at += count;
      group_rows_ += count;
      group_bytes_ = row_group_.size_bytes();
    }
    return {};
  }

  Result<void> start_row_group() {
    TRY(check(file_->NewBufferedRowGroup()));
    group_open_ = true;
    group_rows_ = group_bytes_ = 0;
    nans_.emplace_back(leaves_.size());
    return {};
  }

  void count_nans_of(const arrow::RecordBatch& rows) {
    size_t leaf = 0;
    for (int i = 0; i < rows.num_columns(); ++i) {
      const Type& type = *schema_.fields[i].type;
      if (!has_floats(type)) {
        leaf += leaves_count(type);
        continue;
      }
      visit_leaves(*rows.column(i), true, [&](const arrow::Array& values, const Visibility& visibility) {
        nans_.back()[leaf++] += count_nans(values, visibility);
      });
    }
  }

  Result<WrittenFile> describe(const parquet::FileMetaData& file) const {
    WrittenFile written;
    written.path = path_;
    written.size_bytes = sink_->position();
    written.rows = rows_;
    try {
      written.columns = collect_metrics(file, leaves_, metrics_modes(leaves_, options_), nans_);
      for (int i = 0; i < file.num_row_groups(); ++i) {
        const auto first = file.RowGroup(i)->ColumnChunk(0);
        const int64_t pages = first->data_page_offset();
        written.split_offsets.push_back(first->has_dictionary_page() ? std::min(first->dictionary_page_offset(), pages) : pages);
      }
    } catch (const parquet::ParquetException& e) {
      return sink_->failure(path_, arrow::Status::Invalid(e.what()));
    }
    return written;
  }

  const std::string path_;
  const Schema schema_;
  const ParquetOptions options_;
  const arrow::Compression::type codec_;
  const std::shared_ptr<arrow::Schema> arrow_schema_;
  const std::vector<Leaf> leaves_;
  const std::shared_ptr<ArrowSink> sink_;

  std::vector<std::shared_ptr<arrow::RecordBatch>> waiting_;
  int64_t waiting_rows_ = 0, waiting_bytes_ = 0;
  size_t small_batches_ = 0;  ///< at the end of waiting_

  arrow::ProxyMemoryPool pool_{arrow::default_memory_pool()};
  RowGroupInProgress row_group_;
  std::unique_ptr<parquet::arrow::FileWriter> file_;  // below what it refers to
  int64_t rows_ = 0;
  bool group_open_ = false;
  int64_t group_rows_ = 0, group_bytes_ = 0;
  NanCounts nans_;
};

}  // namespace

Result<std::unique_ptr<ParquetWriter>> open_parquet_writer(std::unique_ptr<ByteSink> sink, std::string path, const Schema& schema,
                                                           const ParquetOptions& options) {
  TRY_ASSIGN(const auto codec, find_codec(options.compression));
  if (schema.fields.empty()) return invalid_input(fmt::format("writing {}: a Parquet file needs at least one column", path));
  return std::make_unique<BufferedParquetWriter>(std::move(sink), std::move(path), schema, options, codec);
}

}  // namespace sluice
