#include "formats/bad_row_tally.h"

#include <utility>

#include <fmt/format.h>

namespace sluice {

Error not_allowed(Error fault) {
  fault.message += "; allow such rows with --on-bad-row=skip";
  return fault;
}

Result<void> BadRowTally::add(Error fault, BadRow row, RowBlock& block) {
  ++count_;
  if (allowed_.action == BadRowAction::kFail) return std::unexpected(not_allowed(std::move(fault)));
  if (allowed_.rows_max && count_ > *allowed_.rows_max) {
    fault.message += fmt::format("; with this one {} bad rows, {} are allowed", count_, *allowed_.rows_max);
    return std::unexpected(std::move(fault));
  }
  if (count_ == 1) first_ = std::move(fault);
  if (row.text.size() > kBadRowTextBytesMax) row.text.resize(kBadRowTextBytesMax);
  block.bad_rows.push_back(std::move(row));
  return {};
}

Result<void> BadRowTally::check_percentage(int64_t good_rows) const {
  if (!allowed_.percent_max || count_ == 0) return {};
  const int64_t all = good_rows + count_;
  const double percent = 100.0 * static_cast<double>(count_) / static_cast<double>(all);
  if (percent <= *allowed_.percent_max) return {};
  Error error = first_;
  error.message += fmt::format("; {} of {} rows are bad, {}% are allowed", count_, all, *allowed_.percent_max);
  return std::unexpected(std::move(error));
}

}  // namespace sluice
