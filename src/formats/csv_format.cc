#include "formats/csv_format.h"

#include <algorithm>
#include <utility>

#include "formats/csv_bundle.h"
#include "formats/csv_columns.h"
#include "formats/csv_reader.h"
#include "formats/csv_scanner.h"
#include "formats/csv_split.h"
#include "formats/decompress.h"
#include "schema/inference.h"

namespace sluice {
namespace {

constexpr int64_t kSampleBytesMin = 64 * kKiB;   ///< stored bytes; a header alone says nothing of types
constexpr int64_t kSampleBytesStep = 8;          ///< a sample without one whole row is taken again, this many times larger
constexpr int64_t kSampleInflationMax = 16;      ///< of compressed samples
constexpr size_t kFirstRecordBytes = 64 * kKiB;  ///< read at once to see the first record

/// Types of the columns of one file, from the rows shown to it.
class CsvGuess {
 public:
  CsvGuess(const CsvOptions& csv, const InferOptions& options) : null_tokens_(csv.null_tokens), guess_(options) {}

  void name_columns(std::vector<std::string> names) {
    names_ = std::move(names);
    for (const std::string& name : names_) guess_.member(name);
  }

  void see_row(const CsvScanner& scanner) {
    if (!scanner.problem().reason.empty()) return;
    if (names_.empty()) {
      std::vector<std::string> names;
      for (size_t i = 0; i < scanner.fields().size(); ++i) names.push_back(csv_column_name(i));
      name_columns(std::move(names));
    }
    if (scanner.field_count() != names_.size()) return;
    ++rows_;
    for (size_t i = 0; i < names_.size(); ++i) {
      const CsvField& field = scanner.fields()[i];
      if (!null_tokens_.contains(field)) guess_.member(names_[i]).see_text(field.text);
    }
  }

  int64_t rows() const { return rows_; }
  std::vector<Field> fields() const { return guess_.fields(); }

 private:
  const CsvNullTokens null_tokens_;
  StructGuess guess_;
  std::vector<std::string> names_;
  int64_t rows_ = 0;
};

class CsvFormat final : public Format {
 public:
  explicit CsvFormat(char delimiter) : delimiter_(delimiter) {}

  std::string_view name() const override { return "csv"; }

  Result<std::vector<ByteRange>> split(Blob& blob, const ReadPlan& plan, Context& context) const override {
    const std::vector<ByteRange> whole = {{}};
    if (blob.size_bytes() < 2 * kSplitBytes || !dialect_of(plan.csv).check()) return whole;
    TRY_ASSIGN(const Compression compression, sniff_compression(blob, context));
    if (compression != Compression::kNone) return whole;
    return split_csv(blob, dialect_of(plan.csv), kSplitBytes, context);
  }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange split, const ReadPlan& plan, Context& context) const override {
    const CsvDialect dialect = dialect_of(plan.csv);
    TRY(dialect.check());
    TRY_ASSIGN(auto source, open_decompressed(blob, split, context));
    if (split.offset == 0) return CsvReader::open(std::move(source), dialect, plan, context);
    TRY_ASSIGN(auto head, blob.open({}, context));
    CsvScanner first(std::move(head), dialect, {.block_bytes = kFirstRecordBytes});
    TRY(first.next(context));
    return CsvReader::open_inside(std::move(source), dialect, plan, first);
  }

  std::unique_ptr<Bundle> bundle(const ReadPlan& plan) const override { return make_csv_bundle(plan, dialect_of(plan.csv)); }

  Result<Inferred> infer(Blob& blob, int64_t sample_bytes, const Source& source, const InferOptions& options,
                         Context& context) const override {
    TRY(dialect_of(source.csv).check());
    for (int64_t bytes = std::max(sample_bytes, kSampleBytesMin);; bytes *= kSampleBytesStep) {
      const bool whole = bytes >= blob.size_bytes();
      TRY_ASSIGN(Inferred inferred, infer_head(blob, bytes, source.csv, options, context));
      if (inferred.rows > 0 || whole) return inferred;
    }
  }

 private:
  CsvDialect dialect_of(const CsvOptions& options) const {
    return {.delimiter = options.delimiter == ',' ? delimiter_ : options.delimiter, .quote = options.quote};
  }
  Result<Inferred> infer_head(Blob& blob, int64_t bytes, const CsvOptions& csv, const InferOptions& options, Context& context) const;

  const char delimiter_;  ///< instead of the comma
};

Result<Inferred> CsvFormat::infer_head(Blob& blob, int64_t bytes, const CsvOptions& csv, const InferOptions& options,
                                       Context& context) const {
  const bool is_sample = bytes < blob.size_bytes();
  TRY_ASSIGN(auto source, open_decompressed(blob, {.offset = 0, .length = is_sample ? bytes : -1}, context));
  CsvScanner scanner(std::move(source), dialect_of(csv), {.is_sample = is_sample});
  CsvGuess guess(csv, options);
  Inferred inferred;
  if (csv.header) {
    TRY_ASSIGN(const bool found, scanner.next(context));
    if (!found) return inferred;
    TRY_ASSIGN(inferred.header, take_csv_header(scanner));
    guess.name_columns(csv_column_names(inferred.header));
  }
  while (scanner.byte() / kSampleInflationMax < bytes) {
    const Result<bool> found = scanner.next(context);
    // What breaks behind good rows is the reader's to report, with the rows before it counted.
    if (!found && (guess.rows() == 0 || found.error().code != ErrorCode::kInvalidInput)) return std::unexpected(found.error());
    if (!found || !*found) break;
    guess.see_row(scanner);
  }
  inferred.fields = guess.fields();
  inferred.rows = guess.rows();
  return inferred;
}

}  // namespace

const Format& csv_format() {
  static const CsvFormat format(',');
  return format;
}

const Format& tsv_format() {
  static const CsvFormat format('\t');
  return format;
}

}  // namespace sluice
