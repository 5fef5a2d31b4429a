#include "formats/csv_reader.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kBadRowTextBytesMax = 64 * kKiB;
constexpr size_t kBadRowsPerBlockMax = 256;
constexpr size_t kShownBytesMax = 60;  ///< of a value in a message

std::string shown(std::string_view text) {
  if (text.size() <= kShownBytesMax) return fmt::format("\"{}\"", text);
  size_t end = kShownBytesMax;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // no half character
  return fmt::format("\"{}...\"", text.substr(0, end));
}

Error error_at(int64_t line, int64_t byte, std::string_view reason, std::string_view type) {
  return {ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", line, reason, byte), std::string(type), line, byte};
}

}  // namespace

Result<std::vector<std::string>> take_csv_header(const CsvScanner& scanner) {
  if (const CsvProblem& problem = scanner.problem(); !problem.reason.empty()) {
    return std::unexpected(error_at(scanner.line(), problem.byte, problem.reason + " in the header", error_type::kParseError));
  }
  if (scanner.field_count() > kCsvFieldsMax) {
    const std::string reason = fmt::format("a header of {} columns, above the limit of {}", scanner.field_count(), kCsvFieldsMax);
    return std::unexpected(error_at(scanner.line(), scanner.byte(), reason, error_type::kTooLarge));
  }
  std::vector<std::string> header;
  for (const CsvField& field : scanner.fields()) header.emplace_back(field.text);
  return header;
}

CsvReader::CsvReader(std::unique_ptr<ByteSource> source, CsvDialect dialect, CsvScanLimits limits, const ReadPlan& plan)
    : scanner_(std::move(source), dialect, limits),
      plan_(plan),
      null_tokens_(plan.csv.null_tokens),
      rows_(plan.columns, plan.rescue, plan.block_rows_max) {}

Result<std::unique_ptr<CsvReader>> CsvReader::open(std::unique_ptr<ByteSource> source, CsvDialect dialect, const ReadPlan& plan,
                                                   Context& context, CsvScanLimits limits) {
  std::unique_ptr<CsvReader> reader(new CsvReader(std::move(source), dialect, limits, plan));
  if (plan.csv.header) TRY(reader->take_header(context));
  return reader;
}

Result<std::unique_ptr<CsvReader>> CsvReader::open_inside(std::unique_ptr<ByteSource> source, CsvDialect dialect, const ReadPlan& plan,
                                                          const CsvScanner& first) {
  std::unique_ptr<CsvReader> reader(new CsvReader(std::move(source), dialect, {}, plan));
  TRY(plan.csv.header ? reader->bind_by_name(first) : reader->bind_by_position(first.field_count()));
  return reader;
}

Result<void> CsvReader::take_header(Context& context) {
  TRY_ASSIGN(const bool found, scanner_.next(context));
  if (!found) {
    ended_ = true;  // an empty file has no header and no rows
    return {};
  }
  return bind_by_name(scanner_);
}

Result<void> CsvReader::bind_by_name(const CsvScanner& scanner) {
  TRY_ASSIGN(const auto header, take_csv_header(scanner));
  std::vector<Column> columns;
  for (const std::string& name : csv_column_names(header)) columns.push_back({.name = name, .target = rows_.find(name)});
  return bind(std::move(columns));
}

Result<void> CsvReader::bind_by_position(size_t field_count) {
  std::vector<Column> columns;
  const std::vector<Field>& table = plan_.columns.fields;
  for (size_t i = 0; i < std::min(field_count, kCsvFieldsMax); ++i) {
    const bool known = i < table.size();
    columns.push_back({.name = known ? table[i].name : csv_column_name(i), .target = known ? static_cast<int>(i) : -1});
  }
  return bind(std::move(columns));
}

Result<void> CsvReader::bind(std::vector<Column> columns) {
  columns_ = std::move(columns);
  bound_ = true;
  std::vector<bool> filled(plan_.columns.fields.size());
  for (const Column& column : columns_) {
    if (column.target >= 0) {
      filled[static_cast<size_t>(column.target)] = true;
    } else if (!plan_.rescue) {
      const std::string reason = fmt::format("the table has no column {}", shown(column.name));
      return std::unexpected(error_at(scanner_.line(), scanner_.byte(), reason, error_type::kSchemaMismatch));
    }
  }
  for (size_t i = 0; i < filled.size(); ++i) {
    if (filled[i] || !plan_.columns.fields[i].required) continue;
    const std::string reason = fmt::format("the file lacks the required column {}", shown(plan_.columns.fields[i].name));
    return std::unexpected(error_at(scanner_.line(), scanner_.byte(), reason, error_type::kSchemaMismatch));
  }
  return {};
}

Result<std::optional<RowBlock>> CsvReader::next(Context& context) {
  RowBlock block;
  block.first_row = rows_read_;
  while (!ended_ && !rows_.full() && block.bad_rows.size() < kBadRowsPerBlockMax) {
    TRY_ASSIGN(const bool found, scanner_.next(context));
    if (found) {
      TRY(take_record(block));
    } else {
      ended_ = true;
      TRY(check_bad_rows_percent());
    }
  }
  if (rows_.rows() == 0 && block.bad_rows.empty()) return std::nullopt;
  block.rows_rescued = rows_.rows_rescued();
  rows_read_ += rows_.rows();
  block.batch = rows_.flush();
  return block;
}

Result<void> CsvReader::take_record(RowBlock& block) {
  if (const CsvProblem& problem = scanner_.problem(); !problem.reason.empty()) return reject(problem.reason, problem.byte, block);
  if (!bound_) TRY(bind_by_position(scanner_.field_count()));
  if (scanner_.field_count() != columns_.size()) {
    return reject(fmt::format("expected {} fields, found {}", columns_.size(), scanner_.field_count()), scanner_.byte(), block);
  }
  const std::span<const CsvField> fields = scanner_.fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    Column& column = columns_[i];
    const CsvField& field = fields[i];
    if (null_tokens_.contains(field)) {
      if (column.target >= 0) rows_.column(static_cast<size_t>(column.target)).append_null();
      continue;
    }
    if (column.target >= 0) {
      ColumnWriter& writer = rows_.column(static_cast<size_t>(column.target));
      if (writer.append_text(field.text)) [[likely]]
        continue;
      writer.append_null();
    }
    TRY(rescue(column, field));
  }
  if (const auto missing = rows_.finish_row()) return reject(required_value_missing(*missing), scanner_.byte(), block);
  return {};
}

Result<void> CsvReader::rescue(Column& column, const CsvField& field) {
  const Field* const known = column.target >= 0 ? &plan_.columns.fields[static_cast<size_t>(column.target)] : nullptr;
  if (plan_.report_drift) {
    if (!column.refused) column.refused.emplace(plan_.infer, known != nullptr && known->type->id == TypeId::kDecimal);
    column.refused->see_text(field.text);
  }
  if (plan_.rescue) {
    rows_.rescue().add_text(column.name, field.text);
    return {};
  }
  const std::string reason = fmt::format("column {}: {} does not fit {}", shown(column.name), shown(field.text), to_text(*known->type));
  return std::unexpected(error_at(scanner_.line(), scanner_.byte(), reason, error_type::kSchemaMismatch));
}

std::string CsvReader::required_value_missing(size_t target) const {
  const Field& field = plan_.columns.fields[target];
  for (size_t i = 0; i < columns_.size(); ++i) {
    const CsvField& found = scanner_.fields()[i];
    if (columns_[i].target != static_cast<int>(target) || null_tokens_.contains(found)) continue;
    return fmt::format("required column {}: {} does not fit {}", shown(field.name), shown(found.text), to_text(*field.type));
  }
  return fmt::format("required column {} has no value", shown(field.name));
}

Result<void> CsvReader::reject(std::string reason, int64_t byte, RowBlock& block) {
  ++rows_bad_;
  const BadRows& allowed = plan_.bad_rows;
  if (allowed.action == BadRowAction::kFail) {
    return std::unexpected(error_at(scanner_.line(), byte, reason, error_type::kParseError));
  }
  if (allowed.rows_max && rows_bad_ > *allowed.rows_max) {
    Error error = error_at(scanner_.line(), byte, reason, error_type::kParseError);
    return std::unexpected(error.within(fmt::format("more than {} bad rows; the last one", *allowed.rows_max)));
  }
  if (byte != scanner_.byte()) reason += fmt::format(" at byte {}", byte);
  block.bad_rows.push_back({.byte = scanner_.byte(),
                            .line = scanner_.line(),
                            .reason = std::move(reason),
                            .text = std::string(scanner_.raw().substr(0, kBadRowTextBytesMax))});
  return {};
}

Result<void> CsvReader::check_bad_rows_percent() const {
  const int64_t rows = rows_read_ + rows_.rows() + rows_bad_;
  const std::optional<double> allowed = plan_.bad_rows.percent_max;
  if (!allowed || rows_bad_ == 0) return {};
  const double percent = 100.0 * static_cast<double>(rows_bad_) / static_cast<double>(rows);
  if (percent <= *allowed) return {};
  return std::unexpected(Error{ErrorCode::kInvalidInput,
                               fmt::format("{} of {} rows are bad ({:.2f}%), above the limit of {}%", rows_bad_, rows, percent, *allowed),
                               std::string(error_type::kParseError)});
}

Drift CsvReader::drift() const {
  Drift drift;
  for (const Column& column : columns_) {
    TypePtr type = column.refused ? column.refused->type() : nullptr;
    if (type != nullptr) drift.columns.push_back({.name = column.name, .type = std::move(type)});
  }
  return drift;
}

}  // namespace sluice
