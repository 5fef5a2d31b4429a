#include "formats/json_format.h"

#include <algorithm>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "formats/bad_row_tally.h"
#include "formats/decompress.h"
#include "formats/json_columns.h"
#include "formats/json_cutter.h"
#include "formats/json_guess.h"
#include "formats/json_row.h"
#include "model/file.h"
#include "schema/inference.h"

namespace sluice {
namespace {

/// What is wrong with a row.
struct RowFault {
  std::string_view type;
  size_t at = 0;
  std::string reason;
};

std::optional<RowFault> read_row(JsonRowReader& reader, const RawRow& row) {
  if (!row.fault.empty()) return RowFault{error_type::kParseError, 0, row.fault};
  auto fault = reader.read(row.text);
  if (!fault) return std::nullopt;
  const auto type = fault->kind == JsonFault::kTooLarge ? error_type::kTooLarge : error_type::kParseError;
  return RowFault{type, fault->at, std::move(fault->reason)};
}

/// The fault as an error of the file.
Error to_error(const RawRow& row, const RowFault& fault) {
  const auto lines = std::ranges::count(row.text.substr(0, fault.at), '\n');
  return error_at(fault.type, row.line > 0 ? row.line + lines : 0, row.byte + static_cast<int64_t>(fault.at), fault.reason);
}

class JsonReader final : public Reader {
 public:
  JsonReader(RowCutter cutter, const ReadPlan& plan, bool has_whole_file)
      : cutter_(std::move(cutter)), limits_(plan.bad_rows), has_whole_file_(has_whole_file), columns_(plan) {}

  Result<std::optional<RowBlock>> next(Context& context) override {
    RowBlock block;
    block.first_row = rows_;
    RawRow row;
    while (!at_end_ && !columns_.rows().full() && block.bad_rows.size() < kBadRowsPerBlockMax) {
      TRY_ASSIGN(const bool more, cutter_.next(row, context));
      if (!more) {
        at_end_ = true;
        TRY(check_percentage());
      } else if (const auto fault = read_row(row_reader_, row)) {
        TRY(take_bad_row(row, *fault, block));
      } else {
        TRY(append_row(row, block));
      }
    }
    RowWriter& rows = columns_.rows();
    if (rows.rows() == 0 && block.bad_rows.empty()) return std::nullopt;
    rows_ += rows.rows();
    block.rows_rescued = rows.rows_rescued();
    block.batch = rows.flush();
    return block;
  }

  Drift drift() const override { return columns_.drift(); }

 private:
  Result<void> append_row(const RawRow& row, RowBlock& block) {
    auto fault = columns_.append(row_reader_.nodes());
    if (!fault) return {};
    const RowFault found{error_type::kSchemaMismatch, static_cast<size_t>(fault->at - row.text.data()), std::move(fault->reason)};
    if (!fault->is_row_only) return std::unexpected(to_error(row, found));
    return take_bad_row(row, found, block);
  }

  Result<void> take_bad_row(const RawRow& row, const RowFault& fault, RowBlock& block) {
    ++bad_rows_;
    if (limits_.action == BadRowAction::kFail) return std::unexpected(not_allowed(to_error(row, fault)));
    if (limits_.rows_max && bad_rows_ > *limits_.rows_max) {
      Error error = to_error(row, fault);
      error.message += fmt::format("; with this one {} bad rows, {} are allowed", bad_rows_, *limits_.rows_max);
      return std::unexpected(std::move(error));
    }
    if (bad_rows_ == 1) first_bad_row_ = to_error(row, fault);
    block.bad_rows.push_back({row.byte, row.line, fmt::format("{} (byte {})", fault.reason, row.byte + static_cast<int64_t>(fault.at)),
                              std::string(row.text.substr(0, kBadRowTextBytesMax))});
    return {};
  }

  Result<void> check_percentage() {
    const int64_t all = rows_ + columns_.rows().rows() + bad_rows_;
    if (!has_whole_file_ || !limits_.percent_max || all == 0) return {};
    const double percent = 100.0 * static_cast<double>(bad_rows_) / static_cast<double>(all);
    if (percent <= *limits_.percent_max) return {};
    Error error = first_bad_row_;
    error.message += fmt::format("; {} of {} rows are bad, {}% are allowed", bad_rows_, all, *limits_.percent_max);
    return std::unexpected(std::move(error));
  }

  RowCutter cutter_;
  const BadRows limits_;
  const bool has_whole_file_;
  JsonRowReader row_reader_;
  JsonColumns columns_;
  int64_t rows_ = 0;  ///< handed over
  int64_t bad_rows_ = 0;
  Error first_bad_row_;
  bool at_end_ = false;
};

ReadPlan plan_of_bundle(ReadPlan plan) {
  plan.report_drift = false;  // what would be reported is read again by a reader
  return plan;
}

class JsonBundle final : public Bundle {
 public:
  explicit JsonBundle(const ReadPlan& plan) : columns_(plan_of_bundle(plan)) {}

  std::optional<int64_t> add(std::string_view bytes, Context& context) override {
    const int64_t before = columns_.rows().rows();
    if (append_all(bytes, context) && columns_.rows().rows_rescued() == 0) return columns_.rows().rows() - before;
    columns_.rows().rollback_to(before, 0);
    return std::nullopt;
  }
  int64_t rows() const override { return columns_.rows().rows(); }
  bool full() const override { return columns_.rows().full(); }
  std::shared_ptr<arrow::RecordBatch> take() override { return columns_.rows().flush(); }

 private:
  /// False: something is not as it should be; some rows may have been appended.
  bool append_all(std::string_view bytes, Context& context) {
    if (compression_of(bytes) != Compression::kNone) return false;
    auto cutter = RowCutter::over(bytes, context);
    if (!cutter) return false;
    RawRow row;
    for (;;) {
      const auto more = cutter->next(row, context);
      if (!more) return false;
      if (!*more) return true;
      if (!row.fault.empty() || row_reader_.read(row.text) || columns_.append(row_reader_.nodes())) return false;
    }
  }

  JsonRowReader row_reader_;
  JsonColumns columns_;
};
static_assert(kBundlePaddingBytes >= kJsonPaddingBytes);

class JsonFormat final : public Format {
 public:
  std::string_view name() const override { return "json"; }

  Result<std::vector<ByteRange>> split(Blob& blob, const ReadPlan&, Context& context) const override {
    const int64_t size = blob.size_bytes();
    if (size < 2 * kSplitBytes) return std::vector<ByteRange>{{}};
    TRY_ASSIGN(const Compression compression, sniff_compression(blob, context));
    if (compression != Compression::kNone) return std::vector<ByteRange>{{}};
    TRY_ASSIGN(const RowCutter head, RowCutter::open(blob, {}, false, kJsonBlockBytes, context));
    if (head.layout() == JsonLayout::kDocuments) return std::vector<ByteRange>{{}};
    return cut_evenly(size);
  }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange split, const ReadPlan& plan, Context& context) const override {
    TRY_ASSIGN(RowCutter cutter, RowCutter::open(blob, split, false, kJsonBlockBytes, context));
    const bool has_whole_file = split.offset == 0 && (split.length < 0 || split.length >= blob.size_bytes());
    return std::make_unique<JsonReader>(std::move(cutter), plan, has_whole_file);
  }

  std::unique_ptr<Bundle> bundle(const ReadPlan& plan) const override { return std::make_unique<JsonBundle>(plan); }

  Result<Inferred> infer(Blob& blob, int64_t sample_bytes, const Source&, const InferOptions& options, Context& context) const override {
    TRY_ASSIGN(RowCutter cutter, RowCutter::open(blob, {0, sample_bytes}, true, kJsonBlockBytes, context));
    JsonRowReader reader;
    StructGuess guess(options);
    Inferred inferred;
    std::optional<Error> first_error;
    RawRow row;
    for (;;) {
      const auto more = cutter.next(row, context);
      if (!more && (inferred.rows == 0 || more.error().code != ErrorCode::kInvalidInput)) return std::unexpected(more.error());
      if (!more || !*more) break;
      if (const auto fault = read_row(reader, row)) {
        if (!first_error) first_error = to_error(row, *fault);
        continue;
      }
      ++inferred.rows;
      const auto nodes = reader.nodes();
      for (uint32_t at = 1; at < nodes[0].after; at = nodes[at].after) see_json(nodes, at, guess.member(nodes[at].key));
    }
    if (inferred.rows == 0 && first_error) return std::unexpected(std::move(*first_error));
    inferred.fields = guess.fields();
    for (const Field& field : inferred.fields) inferred.header.push_back(field.name);
    return inferred;
  }

 private:
  static std::vector<ByteRange> cut_evenly(int64_t size) {
    const int64_t count = size / kSplitBytes;
    std::vector<ByteRange> ranges;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t begin = i * kSplitBytes;
      ranges.push_back({begin, i + 1 == count ? size - begin : kSplitBytes});
    }
    return ranges;
  }
};

}  // namespace

const Format& json_format() {
  static const JsonFormat format;
  return format;
}

}  // namespace sluice
