#include "formats/csv_format.h"

#include <algorithm>
#include <utility>

#include "formats/csv_bundle.h"
#include "formats/csv_columns.h"
#include "formats/csv_dialect.h"
#include "formats/csv_reader.h"
#include "formats/csv_scanner.h"
#include "formats/csv_split.h"
#include "formats/decompress.h"
#include "formats/field_rows.h"
#include "formats/text_decoding.h"
#include "schema/inference.h"

namespace sluice {
namespace {

constexpr int64_t kSampleBytesStep = 8;          ///< a sample without one whole row is taken again, this many times larger
constexpr size_t kFirstRecordBytes = 64 * kKiB;  ///< read at once to see the first record

/// Types of the columns of one file, from the rows shown to it.
class CsvGuess {
 public:
  CsvGuess(const CsvOptions& csv, const InferOptions& options, bool decimal_comma)
      : null_tokens_(csv.null_tokens), decimal_comma_(decimal_comma), guess_(options) {}

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
      if (!null_tokens_.contains(field)) see_field(field.text, decimal_comma_, guess_.member(names_[i]), scratch_);
    }
  }

  int64_t rows() const { return rows_; }
  std::vector<Field> fields() const { return guess_.fields(); }

 private:
  const CsvNullTokens null_tokens_;
  const bool decimal_comma_;
  StructGuess guess_;
  std::vector<std::string> names_;
  std::string scratch_;
  int64_t rows_ = 0;
};

/// A file opened at its beginning.
struct OpenedCsv {
  CsvLayout layout;
  std::unique_ptr<ByteSource> source;  ///< as the scanner wants it
};

/// Quotes, lines and bytes of a range inside the file mean what they would if all before it had been read.
bool can_split(const CsvLayout& layout) {
  const CsvDialect& dialect = layout.dialect;
  return !is_utf16(dialect.encoding) && !is_single_byte(dialect.encoding) && layout.decimal == '.' && dialect.escape == '\0' &&
         dialect.comment == '\0' && dialect.skip_lines == 0;
}

class CsvFormat final : public Format {
 public:
  /// `delimiter`: unless the options name another; nullopt: found in each file.
  explicit CsvFormat(std::optional<char> delimiter) : delimiter_(delimiter) {}

  std::string_view name() const override { return "csv"; }

  Result<std::vector<ByteRange>> split(Blob& blob, const ReadPlan& plan, Context& context) const override {
    const std::vector<ByteRange> whole = {{}};
    if (blob.size_bytes() < 2 * kSplitBytes) return whole;
    TRY_ASSIGN(const Compression compression, sniff_compression(blob, context));
    if (compression != Compression::kNone) return whole;
    TRY_ASSIGN(const OpenedCsv opened, open_file(blob, {}, plan.csv, plan.columns.fields, context));
    if (!opened.layout.dialect.check() || !can_split(opened.layout)) return whole;
    return split_csv(blob, opened.layout.dialect, kSplitBytes, context);
  }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange split, const ReadPlan& plan, Context& context) const override {
    const bool is_part = split.offset != 0 || split.length >= 0;
    TRY_ASSIGN(OpenedCsv file, open_file(blob, split.offset == 0 ? split : ByteRange{}, plan.csv, plan.columns.fields, context));
    TRY(file.layout.dialect.check());
    // What the ranges before hold would decide; a part with anything else than UTF-8 fails.
    if (is_part && file.layout.dialect.encoding == TextEncoding::kAuto) file.layout.dialect.encoding = TextEncoding::kUtf8;
    if (split.offset == 0) return CsvReader::open(std::move(file.source), file.layout, plan, context);
    CsvScanner first(std::move(file.source), file.layout.dialect, {.block_bytes = kFirstRecordBytes});
    TRY(first.next(context));
    TRY_ASSIGN(auto source, blob.open(split, context));
    return CsvReader::open_inside(std::move(source), file.layout, plan, first);
  }

  std::unique_ptr<Bundle> bundle(const ReadPlan& plan) const override { return make_csv_bundle(plan, delimiter_); }

  Result<Inferred> infer(Blob& blob, int64_t sample_bytes, const Source& source, const InferOptions& options,
                         Context& context) const override {
    for (int64_t bytes = std::max(sample_bytes, kSampleBytesMin);; bytes *= kSampleBytesStep) {
      const bool whole = bytes >= blob.size_bytes();
      TRY_ASSIGN(Inferred inferred, infer_head(blob, bytes, source.csv, options, context));
      if (inferred.rows > 0 || whole) return inferred;
    }
  }

  Result<std::string> describe(Blob& blob, const Source& source, Context& context) const override {
    TRY_ASSIGN(const OpenedCsv file, open_file(blob, sample_range(blob, kSampleBytesMin), source.csv, {}, context));
    return to_text(file.layout);
  }

 private:
  static ByteRange sample_range(const Blob& blob, int64_t bytes) { return {.offset = 0, .length = bytes < blob.size_bytes() ? bytes : -1}; }

  Result<OpenedCsv> open_file(Blob& blob, ByteRange range, const CsvOptions& csv, std::span<const Field> known, Context& context) const;
  Result<Inferred> infer_head(Blob& blob, int64_t bytes, const CsvOptions& csv, const InferOptions& options, Context& context) const;

  const std::optional<char> delimiter_;
};

/// `range` begins with the file; one that ends before it is a sample.
Result<OpenedCsv> CsvFormat::open_file(Blob& blob, ByteRange range, const CsvOptions& csv, std::span<const Field> known,
                                       Context& context) const {
  TRY_ASSIGN(auto source, open_decompressed(blob, range, context));
  std::string head(kCsvHeadBytes, '\0');
  TRY_ASSIGN(const size_t size, source->read(head, context));
  const bool is_sample = range.length >= 0 && range.length < blob.size_bytes();
  const bool whole = size < head.size() && !is_sample;
  head.resize(size);
  CsvLayout layout = find_csv_layout(head, whole, csv, delimiter_, known);
  source = put_before(std::move(head), std::move(source));
  if (is_utf16(layout.dialect.encoding)) source = open_utf16(std::move(source), layout.dialect.encoding, is_sample);
  return OpenedCsv{layout, std::move(source)};
}

Result<Inferred> CsvFormat::infer_head(Blob& blob, int64_t bytes, const CsvOptions& csv, const InferOptions& options,
                                       Context& context) const {
  const bool is_sample = bytes < blob.size_bytes();
  TRY_ASSIGN(OpenedCsv file, open_file(blob, sample_range(blob, bytes), csv, {}, context));
  TRY(file.layout.dialect.check());
  CsvScanner scanner(std::move(file.source), file.layout.dialect, {.is_sample = is_sample});
  CsvGuess guess(csv, options, file.layout.decimal == ',');
  Inferred inferred;
  if (file.layout.header) {
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
  static const CsvFormat format(std::nullopt);
  return format;
}

const Format& tsv_format() {
  static const CsvFormat format('\t');
  return format;
}

}  // namespace sluice
