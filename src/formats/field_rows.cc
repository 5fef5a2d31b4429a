#include "formats/field_rows.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "base/utf8.h"
#include "formats/csv_scanner.h"
#include "model/file.h"

namespace sluice {
Error error_at(RowPlace place, std::string_view reason, std::string_view type) {
  return {ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", place.line, reason, place.byte), std::string(type), place.line,
          place.byte};
}

bool keeps_codes_out(const ReadPlan& plan, const Field& column) {
  return is_number(column.type->id) && std::ranges::find(plan.typed_by_user, column.name) == plan.typed_by_user.end();
}

void see_field(std::string_view text, bool decimal_comma, ColumnGuess& guess, std::string& scratch) {
  if (!decimal_comma) return guess.see_text(text);
  const auto number = with_decimal_point(text, scratch);
  return number ? guess.see_text(*number) : guess.see_string(text);
}

FieldRows::FieldRows(const ReadPlan& plan, char decimal)
    : plan_(plan),
      decimal_comma_(decimal == ','),
      null_tokens_(plan.csv.null_tokens),
      rows_(plan.columns, plan.rescue, plan.block_rows_max) {}

FieldRows::Column FieldRows::column_of(std::string name, int target) const {
  Column column{.name = std::move(name), .target = target};
  if (target < 0) return column;
  const Field& field = plan_.columns.fields[static_cast<size_t>(target)];
  column.decimal_comma = decimal_comma_ && is_number(field.type->id);
  column.keeps_codes_out = keeps_codes_out(plan_, field);
  return column;
}

Result<void> FieldRows::bind_by_name(std::span<const std::string> names, RowPlace place) {
  std::vector<Column> columns;
  for (const std::string& name : names) columns.push_back(column_of(name, rows_.find(name)));
  return bind(std::move(columns), place);
}

Result<void> FieldRows::bind_by_position(size_t field_count, RowPlace place) {
  std::vector<Column> columns;
  const std::vector<Field>& table = plan_.columns.fields;
  const std::vector<int> targets = csv_targets_by_position(std::min(field_count, kCsvFieldsMax), table);
  for (size_t i = 0; i < targets.size(); ++i) {
    const bool known = targets[i] >= 0;
    columns.push_back(column_of(known ? table[static_cast<size_t>(targets[i])].name : csv_column_name(i), targets[i]));
  }
  return bind(std::move(columns), place);
}

Result<void> FieldRows::bind(std::vector<Column> columns, RowPlace place) {
  columns_ = std::move(columns);
  bound_ = true;
  std::vector<bool> filled(plan_.columns.fields.size());
  for (const Column& column : columns_) {
    if (column.target >= 0) {
      filled[static_cast<size_t>(column.target)] = true;
    } else if (!plan_.rescue) {
      return std::unexpected(
          error_at(place, fmt::format("the table has no column {}", quoted_text(column.name)), error_type::kSchemaMismatch));
    }
  }
  for (size_t i = 0; i < filled.size(); ++i) {
    if (filled[i] || !plan_.columns.fields[i].required) continue;
    const std::string reason = fmt::format("the file lacks the required column {}", quoted_text(plan_.columns.fields[i].name));
    return std::unexpected(error_at(place, reason, error_type::kSchemaMismatch));
  }
  return {};
}

Result<bool> FieldRows::append_fields(std::span<const CsvField> fields, size_t field_count, RowPlace place) {
  if (field_count != columns_.size()) {
    reason_ = fmt::format("expected {} fields, found {}", columns_.size(), field_count);
    return false;
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    Column& column = columns_[i];
    const CsvField& field = fields[i];
    if (null_tokens_.contains(field)) {
      if (column.target >= 0) rows_.column(static_cast<size_t>(column.target)).append_null();
      continue;
    }
    if (column.target >= 0) {
      if (append_value(column, field.text)) [[likely]]
        continue;
      rows_.column(static_cast<size_t>(column.target)).append_null();
    }
    TRY(rescue(column, field.text, place));
  }
  const auto missing = rows_.finish_row();
  if (!missing) [[likely]]
    return true;
  reason_ = required_value_missing(*missing, fields);
  return false;
}

inline bool FieldRows::append_value(const Column& column, std::string_view text) {
  ColumnWriter& writer = rows_.column(static_cast<size_t>(column.target));
  if (column.keeps_codes_out && is_code(text)) return false;
  if (!column.decimal_comma) [[likely]]
    return writer.append_text(text);
  const auto number = with_decimal_point(text, scratch_);
  return number && writer.append_text(*number);
}

Result<void> FieldRows::rescue(Column& column, std::string_view text, RowPlace place) {
  const Field* const known = column.target >= 0 ? &plan_.columns.fields[static_cast<size_t>(column.target)] : nullptr;
  if (plan_.report_drift) {
    if (!column.refused) column.refused.emplace(plan_.infer, known != nullptr && known->type->id == TypeId::kDecimal);
    see_field(text, decimal_comma_, *column.refused, scratch_);
  }
  if (plan_.rescue) {
    rows_.rescue().add_text(column.name, text);
    return {};
  }
  const std::string reason =
      fmt::format("column {}: {} does not fit {}", quoted_text(column.name), quoted_text(text), to_text(*known->type));
  return std::unexpected(error_at(place, reason, error_type::kSchemaMismatch));
}

std::string FieldRows::required_value_missing(size_t target, std::span<const CsvField> fields) const {
  const Field& field = plan_.columns.fields[target];
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].target != static_cast<int>(target) || null_tokens_.contains(fields[i])) continue;
    return fmt::format("required column {}: {} does not fit {}", quoted_text(field.name), quoted_text(fields[i].text),
                       to_text(*field.type));
  }
  return fmt::format("required column {} has no value", quoted_text(field.name));
}

Result<void> FieldRows::reject(std::string reason, RowPlace place, int64_t byte, std::string raw) {
  ++rows_bad_;
  const BadRows& allowed = plan_.bad_rows;
  if (allowed.action == BadRowAction::kFail) {
    return std::unexpected(not_allowed(error_at({place.line, byte}, reason, error_type::kParseError)));
  }
  if (allowed.rows_max && rows_bad_ > *allowed.rows_max) {
    Error error = error_at({place.line, byte}, reason, error_type::kParseError);
    return std::unexpected(error.within(fmt::format("more than {} bad rows; the last one", *allowed.rows_max)));
  }
  if (byte != place.byte) reason += fmt::format(" at byte {}", byte);
  if (raw.size() > kBadRowTextBytesMax) raw.resize(kBadRowTextBytesMax);
  block_.bad_rows.push_back({.byte = place.byte, .line = place.line, .reason = std::move(reason), .text = std::move(raw)});
  return {};
}

std::optional<RowBlock> FieldRows::take() {
  if (rows_.rows() == 0 && block_.bad_rows.empty()) return std::nullopt;
  RowBlock block = std::exchange(block_, {});
  block.first_row = rows_read_;
  block.rows_rescued = rows_.rows_rescued();
  rows_read_ += rows_.rows();
  block.batch = rows_.flush();
  return block;
}

Result<void> FieldRows::check_bad_rows_percent() const {
  const int64_t rows = rows_read_ + rows_.rows() + rows_bad_;
  const std::optional<double> allowed = plan_.bad_rows.percent_max;
  if (!allowed || rows_bad_ == 0) return {};
  const double percent = 100.0 * static_cast<double>(rows_bad_) / static_cast<double>(rows);
  if (percent <= *allowed) return {};
  return std::unexpected(Error{ErrorCode::kInvalidInput,
                               fmt::format("{} of {} rows are bad ({:.2f}%), above the limit of {}%", rows_bad_, rows, percent, *allowed),
                               std::string(error_type::kParseError)});
}

Drift FieldRows::drift() const {
  Drift drift;
  for (const Column& column : columns_) {
    TypePtr type = column.refused ? column.refused->type() : nullptr;
    if (type != nullptr) drift.columns.push_back({.name = column.name, .type = std::move(type)});
  }
  return drift;
}

}  // namespace sluice
