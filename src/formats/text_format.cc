#include "formats/text_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "formats/csv_columns.h"
#include "formats/decompress.h"
#include "formats/field_rows.h"
#include "formats/line_pattern.h"
#include "formats/line_scanner.h"
#include "formats/text_decoding.h"
#include "schema/inference.h"

namespace sluice {
namespace {

constexpr size_t kEncodingHeadBytes = 64 * kKiB;  ///< looked at for the encoding
constexpr size_t kLineNumberDigitsMax = 20;

/// A line as the fields of a row.
class LineFields {
 public:
  static Result<LineFields> of(const TextOptions& options) {
    LineFields fields;
    std::vector<std::string> names = {"line_number"};
    if (options.pattern.empty()) {
      names.emplace_back("value");
    } else {
      TRY_ASSIGN(fields.pattern_, LinePattern::compile(options.pattern));
      names.insert(names.end(), fields.pattern_->names().begin(), fields.pattern_->names().end());
    }
    fields.names_ = csv_column_names(names);
    fields.groups_.resize(names.size() - 1);
    fields.fields_.resize(names.size());
    return fields;
  }

  const std::vector<std::string>& names() const { return names_; }

  /// Why the line is no row; empty: it is one, see fields().
  std::string_view take(const LineScanner& scanner) {
    if (!scanner.problem().empty()) return scanner.problem();
    if (pattern_) {
      switch (pattern_->match(scanner.text(), groups_)) {
        case LinePattern::Match::kNo: return "the pattern does not match this line";
        case LinePattern::Match::kTooManySteps: return "the pattern gives up on this line: too many ways to match it";
        case LinePattern::Match::kYes: break;
      }
      for (size_t i = 0; i < groups_.size(); ++i) fields_[i + 1] = {groups_[i], !groups_[i].empty()};
    } else {
      fields_[1] = {scanner.text(), true};
    }
    const auto end = std::to_chars(number_.data(), number_.data() + number_.size(), scanner.line()).ptr;
    fields_[0] = {{number_.data(), end}, true};
    return {};
  }
  std::span<const CsvField> fields() const { return fields_; }
  /// With a pattern an empty line says nothing.
  bool passes_over(std::string_view line) const { return pattern_ && line.empty(); }

 private:
  std::optional<LinePattern> pattern_;
  std::vector<std::string> names_;
  std::vector<std::string_view> groups_;
  std::vector<CsvField> fields_;
  std::array<char, kLineNumberDigitsMax> number_{};
};

/// Empty fields that are not quoted are null, whatever the source says of CSV.
ReadPlan with_text_nulls(ReadPlan plan) {
  plan.csv.null_tokens = {""};
  return plan;
}

class TextReader final : public Reader {
 public:
  static Result<std::unique_ptr<TextReader>> open(std::unique_ptr<LineScanner> scanner, const ReadPlan& plan) {
    TRY_ASSIGN(LineFields fields, LineFields::of(plan.text));
    std::unique_ptr<TextReader> reader(new TextReader(std::move(scanner), std::move(fields), plan));
    TRY(reader->rows_.bind_by_name(reader->fields_.names(), {.line = 1, .byte = 0}));
    return reader;
  }

  Result<std::optional<RowBlock>> next(Context& context) override {
    while (!ended_ && !rows_.full()) {
      TRY_ASSIGN(const bool found, scanner_->next(context));
      if (found) {
        TRY(take_line());
      } else {
        ended_ = true;
        TRY(rows_.check_bad_rows_percent());
      }
    }
    return rows_.take();
  }
  Drift drift() const override { return rows_.drift(); }

 private:
  TextReader(std::unique_ptr<LineScanner> scanner, LineFields fields, const ReadPlan& plan)
      : scanner_(std::move(scanner)), fields_(std::move(fields)), rows_(with_text_nulls(plan), '.') {}

  Result<void> take_line() {
    if (fields_.passes_over(scanner_->text())) return {};
    const RowPlace place{scanner_->line(), scanner_->byte()};
    const auto raw = [&] { return std::string(scanner_->text().substr(0, kBadRowTextBytesMax)); };
    if (const std::string_view reason = fields_.take(*scanner_); !reason.empty()) {
      return rows_.reject(std::string(reason), place, place.byte, raw());
    }
    return rows_.append(fields_.fields(), fields_.fields().size(), place, raw);
  }

  const std::unique_ptr<LineScanner> scanner_;
  LineFields fields_;
  FieldRows rows_;
  bool ended_ = false;
};

struct OpenedText {
  TextEncoding encoding;
  std::unique_ptr<ByteSource> source;  ///< as the scanner wants it
  bool is_sample;
};

Result<OpenedText> open_text(Blob& blob, ByteRange range, const TextOptions& options, Context& context) {
  TRY_ASSIGN(auto source, open_decompressed(blob, range, context));
  std::string head(kEncodingHeadBytes, '\0');
  TRY_ASSIGN(const size_t size, source->read(head, context));
  head.resize(size);
  const bool is_sample = range.length >= 0 && range.length < blob.size_bytes();
  const TextEncoding encoding = encoding_of(options.encoding, head);
  source = put_before(std::move(head), std::move(source));
  if (is_utf16(encoding)) source = open_utf16(std::move(source), encoding, is_sample);
  return OpenedText{encoding, std::move(source), is_sample};
}

ByteRange sample_range(const Blob& blob, int64_t bytes) { return {.offset = 0, .length = bytes < blob.size_bytes() ? bytes : -1}; }

class TextFormat final : public Format {
 public:
  std::string_view name() const override { return "text"; }

  /// One range: lines are numbered.
  Result<std::vector<ByteRange>> split(Blob&, const ReadPlan&, Context&) const override { return std::vector<ByteRange>{{}}; }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange, const ReadPlan& plan, Context& context) const override {
    TRY_ASSIGN(OpenedText file, open_text(blob, {}, plan.text, context));
    return TextReader::open(std::make_unique<LineScanner>(std::move(file.source), file.encoding), plan);
  }

  Result<Inferred> infer(Blob& blob, int64_t sample_bytes, const Source& source, const InferOptions& options,
                         Context& context) const override {
    const int64_t bytes = std::max(sample_bytes, kSampleBytesMin);
    TRY_ASSIGN(OpenedText file, open_text(blob, sample_range(blob, bytes), source.text, context));
    LineScanner scanner(std::move(file.source), file.encoding, {.is_sample = file.is_sample});
    TRY_ASSIGN(LineFields fields, LineFields::of(source.text));
    StructGuess guess(options);
    for (const std::string& name : fields.names()) guess.member(name);
    Inferred inferred;
    while (scanner.byte() / kSampleInflationMax < bytes) {
      const Result<bool> found = scanner.next(context);
      if (!found && (inferred.rows == 0 || found.error().code != ErrorCode::kInvalidInput)) return std::unexpected(found.error());
      if (!found || !*found) break;
      if (fields.passes_over(scanner.text()) || !fields.take(scanner).empty()) continue;
      ++inferred.rows;
      see(fields, source.text.pattern.empty(), guess);
    }
    if (inferred.rows == 0) return inferred;
    inferred.header = fields.names();
    inferred.fields = guess.fields();
    return inferred;
  }

  Result<std::string> describe(Blob& blob, const Source& source, Context& context) const override {
    TRY_ASSIGN(const OpenedText file, open_text(blob, sample_range(blob, kSampleBytesMin), source.text, context));
    const bool ascii = file.encoding == TextEncoding::kAuto || file.encoding == TextEncoding::kUtf8;
    return fmt::format("lines{}", ascii ? std::string() : fmt::format("; encoding {}", to_string(file.encoding)));
  }

 private:
  /// A whole line is text, though it may look like a number.
  static void see(const LineFields& fields, bool whole_lines, StructGuess& guess) {
    const std::span<const CsvField> values = fields.fields();
    guess.member(fields.names()[0]).see_integer_text(values[0].text);
    for (size_t i = 1; i < values.size(); ++i) {
      ColumnGuess& column = guess.member(fields.names()[i]);
      if (whole_lines) {
        column.see_string(kAnyText);
      } else if (values[i].quoted) {
        column.see_text(values[i].text);
      }
    }
  }

  static constexpr std::string_view kAnyText = "text";
};

}  // namespace

const Format& text_format() {
  static const TextFormat format;
  return format;
}

}  // namespace sluice
