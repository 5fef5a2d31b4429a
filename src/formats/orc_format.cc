#include "formats/orc_format.h"

#include <algorithm>
#include <utility>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "formats/blob_file.h"
#include "formats/columnar_reader.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr int64_t kBatchRowsMax = 8 * 1024;
constexpr int64_t kBatchRowsMin = 64;
constexpr int64_t kBatchBytes = 16 * kMiB;  // of stored values, about

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
    const std::string where = fmt::format("stripe {}, after row {}: broken ORC data", next_stripe_, rows_read_);
    std::shared_ptr<arrow::RecordBatch> batch;
    while (batch == nullptr) {
      if (batches_ == nullptr) {
        if (next_stripe_ == reader_->NumberOfStripes()) return nullptr;
        const auto stripe = reader_->GetStripeInformation(next_stripe_);
        int64_t end = 0;
        if (!__builtin_add_overflow(stripe.offset, stripe.length, &end)) TRY(file_->hold(stripe.offset, end));
        TRY(run(where, [&] { return open_stripe(stripe); }));
        ++next_stripe_;
        if (batches_ == nullptr) continue;
      }
      TRY(run(where, [&] { return batches_->ReadNext(&batch); }));
      if (batch == nullptr) batches_.reset();
    }
    rows_read_ += batch->num_rows();
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
    ARROW_ASSIGN_OR_RAISE(reader_, arrow::adapters::orc::ORCFileReader::Open(file_, reader_memory_pool()));
    ARROW_ASSIGN_OR_RAISE(schema_, reader_->ReadSchema());
    rows_max_ = std::min(rows_max, kBatchRowsMax);
    return arrow::Status::OK();
  }

  arrow::Status open_stripe(const arrow::adapters::orc::StripeInformation& stripe) {
    const int64_t row_bytes = stripe.num_rows > 0 ? std::max<int64_t>(1, stripe.length / stripe.num_rows) : 1;
    const int64_t rows = std::min(rows_max_, std::max(kBatchRowsMin, kBatchBytes / row_bytes));
    ARROW_ASSIGN_OR_RAISE(batches_, reader_->NextStripeReader(rows));  // nullptr: beyond the rows that the footer counts
    if (batches_ == nullptr && stripe.num_rows > 0) return arrow::Status::IOError("the stripes hold more rows than the file says");
    return arrow::Status::OK();
  }

  const std::shared_ptr<BlobFile> file_;
  int64_t rows_max_ = kBatchRowsMax;
  std::unique_ptr<arrow::adapters::orc::ORCFileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;  ///< of the stripe in hand
  int64_t next_stripe_ = 0;
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
    TRY_ASSIGN(const auto feed, OrcFeed::open(blob, kBatchRowsMin, context));
    return infer_from_schema(*feed->schema(), feed->rows());
  }
};

}  // namespace

const Format& orc_format() {
  static const OrcFormat format;
  return format;
}

}  // namespace sluice
