#include "ledger/sqlite_rows_together.h"

#include <algorithm>
#include <span>
#include <variant>

namespace sluice {

SqliteRowsTogether::SqliteRowsTogether(SqliteConnection& connection, std::string_view insert, size_t columns, std::string_view tail)
    : connection_(connection), insert_(insert), tail_(tail), columns_(columns) {
  params_.reserve(kRowsTogether * columns);
}

SqlParam SqliteRowsTogether::kept(const SqlParam& param) {
  const auto* text = std::get_if<std::string_view>(&param.value());
  if (text == nullptr || text->empty()) return param;
  char* copy = static_cast<char*>(texts_.allocate(text->size(), 1));
  std::ranges::copy(*text, copy);
  return std::string_view(copy, text->size());
}

Result<void> SqliteRowsTogether::flush() {
  if (params_.empty()) return {};
  const size_t rows = params_.size() / columns_;
  if (rows == kRowsTogether) {
    if (!full_) {
      TRY_ASSIGN(auto prepared, connection_.prepare(statement(rows)));
      full_.emplace(std::move(prepared));
    }
    TRY_ASSIGN(const int64_t count, full_->execute_list(params_));
    inserted_ += count;
  } else {
    TRY_ASSIGN(auto rest, connection_.prepare(statement(1)));
    for (size_t row = 0; row < rows; ++row) {
      TRY_ASSIGN(const int64_t count, rest.execute_list(std::span(params_).subspan(row * columns_, columns_)));
      inserted_ += count;
    }
  }
  params_.clear();
  texts_.release();
  return {};
}

std::string SqliteRowsTogether::statement(size_t rows) const {
  std::string row = " (?";
  for (size_t column = 1; column < columns_; ++column) row += ", ?";
  row += ')';
  std::string sql = insert_;
  for (size_t i = 0; i < rows; ++i) sql += i == 0 ? row : ',' + row;
  return sql + tail_;
}

}  // namespace sluice
