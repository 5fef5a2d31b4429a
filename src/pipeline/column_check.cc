#include "pipeline/column_check.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <arrow/array.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "iceberg/partition_keys.h"
#include "schema/array_rows.h"
#include "schema/arrow_value.h"
#include "schema/scalar_text.h"

namespace sluice {
namespace {

constexpr size_t kValuesShownMax = 20;  // of `in`, in a message

bool has_order(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary: return false;
    default: return !type.is_nested();
  }
}

Result<Literal> read_value(std::string_view rule, const std::string& text, const Type& type) {
  auto value = read_literal(type, text);
  if (!value) return invalid_input(fmt::format("check.{}: \"{}\" is no {}", rule, text, to_text(type)));
  const bool is_nan = (std::holds_alternative<double>(*value) && std::isnan(std::get<double>(*value))) ||
                      (std::holds_alternative<float>(*value) && std::isnan(std::get<float>(*value)));
  if (is_nan) return invalid_input(fmt::format("check.{}: NaN compares with nothing", rule));
  return *std::move(value);
}

std::string list_of(const std::vector<std::string>& values) {
  const std::span first = std::span(values).first(std::min(values.size(), kValuesShownMax));
  return fmt::format("{}{}", fmt::join(first, ", "), first.size() < values.size() ? ", ..." : "");
}

}  // namespace

Result<ColumnChecker> ColumnChecker::make(const ColumnCheck& check, const std::string& column, const Type& type, bool type_is_given) {
  ColumnChecker checker;
  checker.check_ = check;
  checker.column_ = column;
  checker.type_ = type;
  const bool needs_values = check.min || check.max || !check.in.empty() || !check.pattern.empty();
  if (type.is_nested() && needs_values) return invalid_input("check: of a nested column only `required` can be checked");
  if ((check.min || check.max) && !has_order(type)) {
    return invalid_input(fmt::format("check: values of type {} have no order for min and max", to_text(type)));
  }
  if ((check.min || check.max) && type.id == TypeId::kString && !type_is_given) {
    return invalid_input("check: min and max of a string column compare text; say type: string if that is meant, else its type");
  }
  if (check.min) {
    TRY_ASSIGN(checker.min_, read_value("min", *check.min, type));
  }
  if (check.max) {
    TRY_ASSIGN(checker.max_, read_value("max", *check.max, type));
  }
  if (checker.min_ && checker.max_ && *checker.max_ < *checker.min_) {
    return invalid_input(fmt::format("check: min {} is above max {}, so no value would pass", *check.min, *check.max));
  }
  for (const std::string& text : check.in) {
    TRY_ASSIGN(Literal value, read_value("in", text, type));
    checker.in_.push_back(std::move(value));
  }
  std::ranges::sort(checker.in_);
  if (check.pattern.empty()) return checker;
  auto pattern = TextPattern::compile(check.pattern);
  if (!pattern) return std::unexpected(pattern.error().within("check.pattern"));
  checker.pattern_.emplace(*std::move(pattern));
  return checker;
}

std::optional<std::string> ColumnChecker::fault(const arrow::Array& values, int64_t row) {
  if (values.IsNull(row)) {
    if (!check_.required) return std::nullopt;
    return fmt::format("required column \"{}\" has no value", column_);
  }
  if (min_ || max_ || !in_.empty()) {
    const Literal value = literal_at(values, type_, row);
    if (min_ && !(value >= *min_)) return value_fault(values, row, fmt::format("is below min {}", *check_.min));
    if (max_ && !(value <= *max_)) return value_fault(values, row, fmt::format("is above max {}", *check_.max));
    const auto at = std::ranges::lower_bound(in_, value);
    if (!in_.empty() && (at == in_.end() || *at != value)) {  // also NaN, which no search finds and every one stops at
      return value_fault(values, row, fmt::format("is none of {}", list_of(check_.in)));
    }
  }
  if (!pattern_) return std::nullopt;
  const bool matches = type_.id == TypeId::kString ? pattern_->matches_whole(static_cast<const arrow::StringArray&>(values).GetView(row))
                                                   : pattern_->matches_whole(to_text(type_, literal_at(values, type_, row)));
  if (matches) return std::nullopt;
  return value_fault(values, row, fmt::format("does not match {}", check_.pattern));
}

std::string ColumnChecker::value_fault(const arrow::Array& values, int64_t row, std::string_view rule) const {
  std::string json;
  append_json_value(values, row, json, kShownBytesMax);
  return fmt::format("column \"{}\": {} {}", column_, shown_text(json), rule);
}

}  // namespace sluice
