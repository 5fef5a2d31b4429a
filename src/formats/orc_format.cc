#include "formats/orc_format.h"

#include <algorithm>
#include <utility>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "formats/blob_file.h"
#include "formats/columnar_reader.h"
#include "formats/orc_tail.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr int64_t kOrcBatchRowsMax = 8 * 1024;
constexpr int64_t kOrcBatchRowsMin = 64;
constexpr int64_t kOrcBatchBytes = 16 * kMiB;  // of stored values, about

class OrcFeed final : public BatchFeed {
 public:
  static Result<std::unique_ptr<OrcFeed>> open(Blob& blob, int64_t rows_max, Context& context) {
    std::unique_ptr<OrcFeed> feed(new OrcFeed(blob));
    feed->file_->use(context);
    TRY(feed->run("broken or unsupported ORC file", [&] { return feed->open_file(rows_max); }));
    return feed;
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  int64_t rows() const { return reader_->NumberOfRows(); }

  Result<std::shared_ptr<arrow::RecordBatch>> next(Context& context) override {
    file_->use(context);
    if (rows_read_ == stripe_end_row_) TRY(enter_stripe());
    std::shared_ptr<arrow::RecordBatch> batch;
    TRY(run(fmt::format("stripe {}, after row {}: broken ORC data", next_stripe_ - 1, rows_read_), [&]() -> arrow::Status {
      if (rows_read_ == rows()) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK(batches_->ReadNext(&batch));
      return batch == nullptr ? arrow::Status::IOError("it holds fewer rows than the file says") : check_values(*batch);
    }));
    if (batch != nullptr) rows_read_ += batch->num_rows();
    return batch;
  }

 private:
  explicit OrcFeed(Blob& blob) : file_(std::make_shared<BlobFile>(blob)) {}

  /// The ORC library throws; Arrow catches what it knows of.
  template <class Do>
  Result<void> run(std::string_view what, Do&& act) const {
    arrow::Status status;
    try {
      status = act();
    } catch (const std::bad_alloc&) {
      status = arrow::Status::OutOfMemory("no memory");
    } catch (const std::exception& e) {
      status = arrow::Status::IOError(e.what());
    }
    if (status.ok()) return {};
    return std::unexpected(file_->explain(status, what));
  }

  arrow::Status open_file(int64_t rows_max) {
    ARROW_RETURN_NOT_OK(check_orc_tail(*file_));
    ARROW_ASSIGN_OR_RAISE(reader_, arrow::adapters::orc::ORCFileReader::Open(file_, reader_memory_pool()));
    ARROW_RETURN_NOT_OK(check_orc_types(reader_->GetSerializedFileTail()));
    ARROW_RETURN_NOT_OK(check_stripes());
    ARROW_ASSIGN_OR_RAISE(schema_, reader_->ReadSchema());
    // One reader from the first row to the last. Arrow's readers of a single stripe seek to its first row by the stripe's row index, and
    // the ORC library follows an index that a broken file lacks through a null pointer; without a seek it never looks at one.
    ARROW_ASSIGN_OR_RAISE(batches_, reader_->GetRecordBatchReader(batch_rows(rows_max), {}));
    return arrow::Status::OK();
  }

  /// The stripes lie within the file and hold the rows that its footer counts.
  arrow::Status check_stripes() const {
    ARROW_ASSIGN_OR_RAISE(const int64_t file_bytes, file_->GetSize());
    int64_t rows_sum = 0;
    for (int64_t i = 0; i < reader_->NumberOfStripes(); ++i) {
      const auto stripe = reader_->GetStripeInformation(i);
      const bool is_within =
          stripe.offset >= 0 && stripe.offset <= file_bytes && stripe.length >= 0 && stripe.length <= file_bytes - stripe.offset;
      if (!is_within) return arrow::Status::IOError(fmt::format("stripe {} lies outside of the file", i));
      if (stripe.num_rows < 0 || __builtin_add_overflow(rows_sum, stripe.num_rows, &rows_sum)) {
        return arrow::Status::IOError(fmt::format("stripe {} has {} rows", i, stripe.num_rows));
      }
    }
    if (rows_sum == rows()) return arrow::Status::OK();
    return arrow::Status::IOError(fmt::format("the stripes hold {} rows, and the file says {}", rows_sum, rows()));
  }

  /// So that a batch of the stripe with the longest rows holds about kOrcBatchBytes. A batch never holds rows of two stripes.
  int64_t batch_rows(int64_t rows_max) const {
    int64_t row_bytes = 1;
    for (int64_t i = 0; i < reader_->NumberOfStripes(); ++i) {
      const auto stripe = reader_->GetStripeInformation(i);
      if (stripe.length > kOrcBatchBytes && stripe.num_rows > 0) row_bytes = std::max(row_bytes, stripe.length / stripe.num_rows);
    }
    return std::min({rows_max, kOrcBatchRowsMax, std::max(kOrcBatchRowsMin, kOrcBatchBytes / row_bytes)});
  }

  /// One read for the next stripe with rows, where it is small enough.
  Result<void> enter_stripe() {
    while (rows_read_ == stripe_end_row_ && next_stripe_ < reader_->NumberOfStripes()) {
      const auto stripe = reader_->GetStripeInformation(next_stripe_++);
      stripe_end_row_ += stripe.num_rows;
      if (stripe.num_rows > 0) TRY(file_->hold(stripe.offset, stripe.offset + stripe.length));
    }
    return {};
  }

  const std::shared_ptr<BlobFile> file_;
  std::unique_ptr<arrow::adapters::orc::ORCFileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  int64_t next_stripe_ = 0;
  int64_t stripe_end_row_ = 0;  ///< of the stripe in hand
  int64_t rows_read_ = 0;
};

class OrcFormat final : public Format {
 public:
  std::string_view name() const override { return "orc"; }
  bool needs_random_access() const override { return true; }

  Result<std::vector<ByteRange>> split(Blob&, const ReadPlan&, Context&) const override { return std::vector<ByteRange>{{}}; }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange, const ReadPlan& plan, Context& context) const override {
    TRY_ASSIGN(auto feed, OrcFeed::open(blob, plan.block_rows_max, context));
    return make_columnar_reader(std::move(feed), plan);
  }

  Result<Inferred> infer(Blob& blob, int64_t, const Source&, const InferOptions&, Context& context) const override {
    TRY_ASSIGN(const auto feed, OrcFeed::open(blob, kOrcBatchRowsMin, context));
    return infer_from_schema(*feed->schema(), feed->rows());
  }
};

}  // namespace

const Format& orc_format() {
  static const OrcFormat format;
  return format;
}

}  // namespace sluice
