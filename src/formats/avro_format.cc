#include "formats/avro_format.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "formats/avro_columns.h"
#include "formats/avro_file.h"
#include "formats/columnar_reader.h"
#include "formats/decompress.h"

namespace sluice {
namespace {

constexpr int64_t kAvroBatchRowsMax = 8 * 1024;

class AvroFeed final : public BatchFeed {
 public:
  static Result<std::unique_ptr<AvroFeed>> open(Blob& blob, int64_t rows_max, Context& context) {
    TRY_ASSIGN(auto source, open_decompressed(blob, {}, context));
    TRY_ASSIGN(AvroFile file, AvroFile::open(std::move(source), context));
    auto columns = AvroColumns::open(file.schema(), std::min(rows_max, kAvroBatchRowsMax));
    if (!columns) return std::unexpected(columns.error());
    return std::unique_ptr<AvroFeed>(new AvroFeed(std::move(file), *std::move(columns)));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return columns_.schema(); }

  Result<std::shared_ptr<arrow::RecordBatch>> next(Context& context) override {
    while (!columns_.full()) {
      if (records_left_ == 0) {
        TRY_ASSIGN(const bool more, file_.next_block(context));
        if (!more) break;
        block_ = AvroDecoder(file_.block());
        records_left_ = file_.block_records();
        continue;
      }
      if (const auto appended = columns_.append(block_); !appended) {
        return std::unexpected(file_.broken(fmt::format("record {} of the block that begins here: {}",
                                                        file_.block_records() - records_left_ + 1, appended.error().message)));
      }
      if (--records_left_ == 0 && !block_.rest().empty()) return std::unexpected(file_.broken("a block holds more than its records"));
    }
    if (columns_.rows() == 0) return nullptr;
    return columns_.flush();
  }

 private:
  AvroFeed(AvroFile file, AvroColumns columns) : file_(std::move(file)), columns_(std::move(columns)) {}

  AvroFile file_;
  AvroColumns columns_;
  AvroDecoder block_{{}};
  int64_t records_left_ = 0;
};

class AvroFormat final : public Format {
 public:
  std::string_view name() const override { return "avro"; }

  Result<std::vector<ByteRange>> split(Blob&, const ReadPlan&, Context&) const override { return std::vector<ByteRange>{{}}; }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange, const ReadPlan& plan, Context& context) const override {
    TRY_ASSIGN(auto feed, AvroFeed::open(blob, plan.block_rows_max, context));
    return make_columnar_reader(std::move(feed), plan);
  }

  Result<Inferred> infer(Blob& blob, int64_t, const Source&, const InferOptions&, Context& context) const override {
    TRY_ASSIGN(const auto feed, AvroFeed::open(blob, 1, context));
    return infer_from_schema(*feed->schema(), 0);
  }
};

}  // namespace

const Format& avro_format() {
  static const AvroFormat format;
  return format;
}

}  // namespace sluice
