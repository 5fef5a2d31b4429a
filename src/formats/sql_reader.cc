#include "formats/sql_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "model/file.h"
#include "schema/scalar_text.h"

namespace sluice {
namespace {

/// JSON allows fewer spellings than SQL.
bool is_plain_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const size_t whole = static_cast<size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
  if (whole == 0 || (whole > 1 && text[0] == '0')) return false;
  return whole == text.size() || (text[whole] == '.' && whole + 1 < text.size() && std::ranges::all_of(text.substr(whole + 1), is_digit));
}

}  // namespace

Result<bool> WantedTable::has(const SqlDump& dump, SqlItem item) {
  const bool is_change = item == SqlItem::kChange;
  if (is_change && (!found_ || name_.empty())) return found_ == dump.table();
  // In a table that was cut out of a dump, what gives rows to it may give some to others.
  if (item == SqlItem::kProblem && name_.empty() && found_) return found_ == dump.table();
  if (dump.statement() == statement_) return is_wanted_;
  statement_ = dump.statement();
  is_wanted_ = name_.empty() || dump.table().is_called(name_);
  if (!is_wanted_) {
    if (!is_change) others_.add(dump.table());
  } else if (!found_) {
    found_ = dump.table();
  } else if (*found_ != dump.table()) {
    return std::unexpected(Error{ErrorCode::kInvalidInput,
                                 fmt::format("the dump has two tables \"{}\": {} and {}; say which one to load with --sql-table", name_,
                                             found_->text(), dump.table().text()),
                                 std::string(error_type::kParseError)});
  }
  return is_wanted_;
}

Result<void> WantedTable::check_found() const {
  if (found_) return {};
  const std::string others = others_.text();
  return std::unexpected(
      Error{ErrorCode::kInvalidInput,
            fmt::format("the dump has no table \"{}\"; {}", name_, others.empty() ? "it has none" : "there is: " + others),
            std::string(error_type::kParseError)});
}

SqlReader::SqlReader(std::unique_ptr<ByteSource> source, std::string table, const ReadPlan& plan)
    : dump_(std::move(source), plan.sql),
      wanted_(std::move(table)),
      plan_(plan),
      rows_(plan.columns, plan.rescue, plan.block_rows_max),
      tally_(plan.bad_rows),
      drift_(plan.infer) {}

Result<std::optional<RowBlock>> SqlReader::next(Context& context) {
  RowBlock block;
  block.first_row = rows_read_;
  while (!ended_ && !rows_.full() && block.bad_rows.size() < kBadRowsPerBlockMax) {
    TRY_ASSIGN(const SqlItem item, dump_.next(context));
    if (item == SqlItem::kEnd) {
      ended_ = true;
      TRY(wanted_.check_found());
      TRY(tally_.check_percentage(rows_read_ + rows_.rows()));
      break;
    }
    TRY_ASSIGN(const bool wanted, wanted_.has(dump_, item));
    if (wanted) TRY(take_item(item, block));
  }
  if (rows_.rows() == 0 && block.bad_rows.empty()) return std::nullopt;
  block.rows_rescued = rows_.rows_rescued();
  rows_read_ += rows_.rows();
  block.batch = rows_.flush();
  return block;
}

Result<void> SqlReader::take_item(SqlItem item, RowBlock& block) {
  switch (item) {
    case SqlItem::kTable:
      columns_.define(dump_.columns());
      bound_.clear();
      return {};
    case SqlItem::kRow: return take_row(block);
    case SqlItem::kProblem: return reject(dump_.problem(), block);
    case SqlItem::kChange:
      // What empties a table before its rows come says nothing of them.
      if (rows_read_ + rows_.rows() == 0) return {};
      return reject(dump_.problem(), block);
    case SqlItem::kStatement:
    case SqlItem::kEnd: break;
  }
  return {};
}

Result<void> SqlReader::bind() {
  bound_.clear();
  bound_names_ = dump_.names();
  std::vector<bool> filled(plan_.columns.fields.size());
  for (SqlColumn& column : columns_.of_rows(dump_.names(), dump_.values().size(), dump_.dialect())) {
    if (!is_utf8(column.name)) {
      const std::string reason = fmt::format("the name of column {} is no UTF-8; dump it as UTF-8", quoted_text(column.name));
      return std::unexpected(error_at(dump_.line(), dump_.byte(), reason, error_type::kParseError));
    }
    const int target = rows_.find(column.name);
    if (target >= 0 && filled[static_cast<size_t>(target)]) {
      return std::unexpected(
          error_at(dump_.line(), dump_.byte(), fmt::format("column {} is named twice", quoted_text(column.name)), error_type::kParseError));
    }
    if (target >= 0) filled[static_cast<size_t>(target)] = true;
    if (target < 0 && !plan_.rescue && !column.generated) {
      const std::string reason = fmt::format("the table has no column {}", quoted_text(column.name));
      return std::unexpected(error_at(dump_.line(), dump_.byte(), reason, error_type::kSchemaMismatch));
    }
    bound_.push_back({.column = std::move(column), .target = target});
  }
  return {};
}

Result<void> SqlReader::take_row(RowBlock& block) {
  if (!dump_.problem().reason.empty()) return reject(dump_.problem(), block);
  if (bound_.empty() || bound_names_ != dump_.names()) TRY(bind());
  const auto values = dump_.values();
  if (values.size() != bound_.size()) {
    return reject({fmt::format("expected {} values, found {}", bound_.size(), values.size()), dump_.line(), dump_.byte()}, block);
  }
  row_problem_ = {};
  for (size_t i = 0; i < values.size() && row_problem_.reason.empty(); ++i) TRY(take_value(bound_[i], values[i]));
  if (!row_problem_.reason.empty()) {
    rows_.rollback_row();
    return reject(row_problem_, block);
  }
  if (const auto missing = rows_.finish_row()) {
    const std::string& name = plan_.columns.fields[*missing].name;
    return reject({fmt::format("required column {} has no value that fits", quoted_text(name)), dump_.line(), dump_.byte()}, block);
  }
  return {};
}

Result<void> SqlReader::take_value(Bound& bound, SqlValue value) {
  const SqlColumn& column = bound.column;
  if (value.kind == SqlValueKind::kNull || (value.kind == SqlValueKind::kDefault && column.generated)) return {};
  if (value.kind == SqlValueKind::kDefault) {
    row_problem_ = {fmt::format("column {}: DEFAULT is not understood", quoted_text(column.name)), dump_.line(), dump_.byte()};
    return {};
  }
  const bool is_text = value.kind == SqlValueKind::kText || value.kind == SqlValueKind::kField;
  if (is_text && column.type.encoding == SqlEncoding::kRawBytes) {
    value.kind = SqlValueKind::kBytes;
  } else if (is_text && !is_utf8(value.text)) {
    row_problem_ = {fmt::format("column {} holds text that is no UTF-8", quoted_text(column.name)), dump_.line(), dump_.byte()};
    return {};
  }
  if (bound.target >= 0) {
    ColumnWriter& writer = rows_.column(static_cast<size_t>(bound.target));
    if (append_sql_value(value, column.type.encoding, writer)) return {};
    writer.append_null();
  }
  return rescue(bound, value);
}

Result<void> SqlReader::rescue(const Bound& bound, const SqlValue& value) {
  const std::string& name = bound.column.name;
  if (!plan_.rescue && bound.target < 0) {
    const std::string reason = fmt::format("the table has no column {}", quoted_text(name));
    return std::unexpected(error_at(dump_.line(), dump_.byte(), reason, error_type::kSchemaMismatch));
  }
  if (!plan_.rescue) {
    const Field& field = plan_.columns.fields[static_cast<size_t>(bound.target)];
    const std::string reason =
        fmt::format("column {}: {} does not fit {}", quoted_text(name), quoted_text(value.text), to_text(*field.type));
    return std::unexpected(error_at(dump_.line(), dump_.byte(), reason, error_type::kSchemaMismatch));
  }
  if (plan_.report_drift) drift_.see_value(bound.column, value);
  if (value.kind == SqlValueKind::kBytes) {
    rows_.rescue().add_text(name, encode_base64(value.text));
  } else if (value.kind == SqlValueKind::kBool || (value.kind == SqlValueKind::kNumber && is_plain_number(value.text))) {
    rows_.rescue().add_json(name, value.text);
  } else {
    rows_.rescue().add_text(name, value.text);
  }
  return {};
}

Result<void> SqlReader::reject(const SqlProblem& problem, RowBlock& block) {
  BadRow row{.byte = dump_.byte(), .line = dump_.line(), .reason = problem.reason, .text = dump_.raw().substr(0, kBadRowTextBytesMax)};
  return tally_.add(error_at(problem.line, problem.byte, problem.reason, error_type::kParseError), std::move(row), block);
}

Error SqlReader::error_at(int64_t line, int64_t byte, std::string_view reason, std::string_view type) const {
  return {ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", line, reason, byte), std::string(type), line, byte};
}

SqlStatementReader::SqlStatementReader(std::unique_ptr<ByteSource> source, const ReadPlan& plan)
    : dump_(std::move(source), plan.sql, true), plan_(plan), rows_(plan.columns, plan.rescue, plan.block_rows_max), tally_(plan.bad_rows) {}

Result<std::optional<RowBlock>> SqlStatementReader::next(Context& context) {
  RowBlock block;
  block.first_row = rows_read_;
  while (!ended_ && !rows_.full() && block.bad_rows.size() < kBadRowsPerBlockMax) {
    TRY_ASSIGN(const SqlItem item, dump_.next(context));
    ended_ = item == SqlItem::kEnd;
    if (!ended_) TRY(take_statement(block));
  }
  if (ended_) TRY(tally_.check_percentage(rows_read_ + rows_.rows()));
  if (rows_.rows() == 0 && block.bad_rows.empty()) return std::nullopt;
  block.rows_rescued = rows_.rows_rescued();
  rows_read_ += rows_.rows();
  block.batch = rows_.flush();
  return block;
}

Result<void> SqlStatementReader::take_statement(RowBlock& block) {
  const std::string text = dump_.raw();
  std::string reason;
  if (!is_utf8(text)) reason = "the statement is no UTF-8";
  const std::array<std::pair<std::string_view, std::string>, 2> values = {
      {{kSqlLineNumber, fmt::format("{}", dump_.line())}, {kSqlValue, text}}};
  for (const auto& [name, value] : values) {
    if (!reason.empty()) break;
    const int target = rows_.find(name);
    if (target >= 0 && rows_.column(static_cast<size_t>(target)).append_text(value)) continue;
    if (!plan_.rescue) {
      return std::unexpected(Error{ErrorCode::kInvalidInput, fmt::format("line {}: the table has no column {} for it", dump_.line(), name),
                                   std::string(error_type::kSchemaMismatch), dump_.line(), dump_.byte()});
    }
    rows_.rescue().add_text(name, value);
  }
  if (reason.empty()) {
    const auto missing = rows_.finish_row();
    if (!missing) return {};
    reason = fmt::format("required column {} has no value", quoted_text(plan_.columns.fields[*missing].name));
  }
  rows_.rollback_row();
  Error fault{ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", dump_.line(), reason, dump_.byte()),
              std::string(error_type::kParseError), dump_.line(), dump_.byte()};
  return tally_.add(std::move(fault),
                    {.byte = dump_.byte(), .line = dump_.line(), .reason = reason, .text = text.substr(0, kBadRowTextBytesMax)}, block);
}

Drift SqlStatementReader::drift() const {
  Drift drift;
  if (!plan_.report_drift || rows_read_ == 0) return drift;
  if (plan_.columns.find(kSqlLineNumber) == nullptr)
    drift.columns.push_back({.name = std::string(kSqlLineNumber), .type = make_type(TypeId::kLong)});
  if (plan_.columns.find(kSqlValue) == nullptr)
    drift.columns.push_back({.name = std::string(kSqlValue), .type = make_type(TypeId::kString)});
  return drift;
}

}  // namespace sluice
