// What a CSV file calls its columns, and which of its fields are null. Thread-safe: values and pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/csv_scanner.h"
#include "schema/type.h"

namespace sluice {

/// The name of a column that the file does not name: "column_1", ... (position 0 is the first).
std::string csv_column_name(size_t position);

/// Where the fields of a file without a header belong in a table, as positions in `table`; -1: nowhere. A table that has such a name was
/// made by such files: its columns came with their first values, and are known by name. Else they are the table's in order.
std::vector<int> csv_targets_by_position(size_t field_count, std::span<const Field> table);

/// Unique names for a header: an empty one becomes csv_column_name(), a repeated one `name_2`, `name_3`, ... (the next that is free).
std::vector<std::string> csv_column_names(std::span<const std::string> header);

/// Fields that mean null. A quoted field never does.
class CsvNullTokens {
 public:
  explicit CsvNullTokens(std::span<const std::string> tokens);

  /// Whether the field is a null.
  bool contains(const CsvField& field) const {
    if (field.quoted || field.text.size() > size_max_) return false;
    return field.text.empty() ? empty_is_null_ : find(field.text);
  }

 private:
  bool find(std::string_view text) const;

  std::vector<std::string> tokens_;
  size_t size_max_ = 0;
  bool empty_is_null_ = false;
};

/// A number written with a decimal comma as one with a point (a view of `scratch`); other text as it is. nullopt: a number with a point,
/// which may separate thousands there.
std::optional<std::string_view> with_decimal_point(std::string_view text, std::string& scratch);

/// What a field of a header is not: a number, a date or a time. Empty text is none either.
bool looks_typed(std::string_view text, char decimal);

}  // namespace sluice
