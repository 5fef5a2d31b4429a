#include "formats/csv_bundle.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <arrow/record_batch.h>

#include "formats/csv_columns.h"
#include "formats/csv_dialect.h"
#include "formats/csv_reader.h"
#include "formats/decompress.h"
#include "formats/field_rows.h"
#include "schema/column_writer.h"
#include "schema/inference.h"

namespace sluice {
namespace {

constexpr std::string_view kOtherDelimiters = ",;\t|";

class CsvBundle final : public Bundle {
 public:
  CsvBundle(const ReadPlan& plan, std::optional<char> delimiter)
      : plan_(plan),
        delimiter_(delimiter),
        header_(plan.csv.header.value_or(true)),
        null_tokens_(plan.csv.null_tokens),
        rows_(plan.columns, plan.rescue, plan.block_rows_max) {
    for (const Field& column : plan.columns.fields) keeps_codes_out_.push_back(keeps_codes_out(plan, column));
  }

  std::optional<int64_t> add(std::string_view bytes, Context& context) override {
    const int64_t before = rows_.rows();
    if (append_all(bytes, context)) return rows_.rows() - before;
    rows_.rollback_to(before, 0);
    return std::nullopt;
  }
  int64_t rows() const override { return rows_.rows(); }
  bool full() const override { return rows_.full(); }
  std::shared_ptr<arrow::RecordBatch> take() override { return rows_.flush(); }

 private:
  /// False: something is not as it should be; some rows may have been appended.
  bool append_all(std::string_view bytes, Context& context) {
    if (compression_of(bytes) != Compression::kNone) return false;
    const auto dialect = dialect_of(bytes);
    if (!dialect) return false;
    CsvScanner scanner(view_source(bytes), *dialect, {.block_bytes = bytes.size() + 1});
    bool bound = false;
    for (;;) {
      const auto found = scanner.next(context);
      if (!found || !scanner.problem().reason.empty()) return false;
      if (!*found) return true;
      if (may_be_comment(scanner)) return false;
      if (!bound) {
        bound = header_ ? bind_by_name(scanner) : bind_by_position(scanner);
        if (!bound) return false;
        if (header_) continue;
      }
      if (!append_record(scanner)) return false;
    }
  }

  /// The dialect of an ordinary file; nullopt: this one has to be looked at.
  std::optional<CsvDialect> dialect_of(std::string_view bytes) const {
    const CsvOptions& options = plan_.csv;
    CsvDialect dialect{.quote = options.quote.value_or('"'), .encoding = TextEncoding::kUtf8};
    const std::string_view first_line = bytes.substr(0, bytes.find('\n'));
    if (first_line.contains('\0')) return std::nullopt;  // UTF-16 perhaps
    const auto delimiter = ordinary_delimiter(first_line, options, delimiter_);
    const bool one_column = !delimiter && bytes.find_first_of(kOtherDelimiters) == std::string_view::npos;
    if (!delimiter && !one_column) return std::nullopt;
    dialect.delimiter = delimiter.value_or(',');
    const std::array before_quote = {dialect.delimiter, '\''};
    const bool may_be_quoted = bytes.starts_with('\'') || bytes.contains(std::string_view(before_quote.data(), before_quote.size()));
    if (!options.quote && may_be_quoted) return std::nullopt;
    return dialect;
  }

  bool may_be_comment(const CsvScanner& scanner) const { return !plan_.csv.comment && scanner.raw().starts_with('#'); }

  /// Most files have the header of the file before.
  bool bind_by_name(const CsvScanner& scanner) {
    if (header_line_ == scanner.raw() && !targets_.empty()) return true;
    targets_.clear();
    const auto header = take_csv_header(scanner);
    if (!header || (!plan_.csv.header && !is_surely_header(scanner.fields()))) return false;
    for (const std::string& name : csv_column_names(*header)) targets_.push_back(rows_.find(name));
    header_line_ = scanner.raw();
    if (has_all_columns()) return true;
    targets_.clear();
    return false;
  }

  bool bind_by_position(const CsvScanner& scanner) {
    targets_ = csv_targets_by_position(scanner.field_count(), plan_.columns.fields);
    return has_all_columns();
  }

  /// The table has every column of the file, and the file those that the table requires.
  bool has_all_columns() const {
    if (std::ranges::find(targets_, -1) != targets_.end()) return false;
    for (size_t i = 0; i < plan_.columns.fields.size(); ++i) {
      if (plan_.columns.fields[i].required && std::ranges::find(targets_, static_cast<int>(i)) == targets_.end()) return false;
    }
    return true;
  }

  bool append_record(const CsvScanner& scanner) {
    const std::span<const CsvField> fields = scanner.fields();
    if (scanner.field_count() != targets_.size() || fields.size() != targets_.size()) return false;
    for (size_t i = 0; i < fields.size(); ++i) {
      const auto target = static_cast<size_t>(targets_[i]);
      ColumnWriter& column = rows_.column(target);
      if (null_tokens_.contains(fields[i])) {
        column.append_null();
      } else if ((keeps_codes_out_[target] && is_code(fields[i].text)) || !column.append_text(fields[i].text)) {
        return false;
      }
    }
    return !rows_.finish_row();
  }

  const ReadPlan plan_;
  const std::optional<char> delimiter_;
  const bool header_;
  const CsvNullTokens null_tokens_;
  RowWriter rows_;
  std::vector<bool> keeps_codes_out_;  ///< the table's columns
  std::string header_line_;            ///< as written
  std::vector<int> targets_;           ///< the table's column for each of the file's
};

}  // namespace

std::unique_ptr<Bundle> make_csv_bundle(const ReadPlan& plan, std::optional<char> delimiter) {
  const CsvOptions& csv = plan.csv;
  const bool utf8 = csv.encoding == TextEncoding::kAuto || csv.encoding == TextEncoding::kUtf8;
  const bool plain = utf8 && csv.decimal.value_or('.') == '.' && csv.escape.value_or('\0') == '\0' && csv.comment.value_or('\0') == '\0' &&
                     csv.skip.value_or(0) == 0;
  const CsvDialect dialect{.delimiter = csv.delimiter.value_or(','), .quote = csv.quote.value_or('"')};
  if (!plain || !dialect.check()) return nullptr;  // a reader knows, or says what is wrong
  return std::make_unique<CsvBundle>(plan, delimiter);
}

}  // namespace sluice
