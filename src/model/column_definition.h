// Columns by definition: what a table's columns are made from, said by the ingestion instead of found in the files. Values only.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sluice {

/// What every value of a column must be; a row with another one is a bad row (on_bad_row).
struct ColumnCheck {
  bool required = false;                ///< not null
  std::optional<std::string> min, max;  ///< inclusive, written as the column's type is in CSV
  std::vector<std::string> in;          ///< the values that are allowed, written the same way; empty: any
  std::string pattern;                  ///< regular expression over the whole text; empty: any

  bool any() const { return required || min || max || !in.empty() || !pattern.empty(); }
  bool operator==(const ColumnCheck&) const = default;
};

/// One column. At most one of `from`, `value`, `path_pattern` is given.
struct ColumnDefinition {
  std::string name;                  ///< of the table's column
  std::string from;                  ///< the field of the files that becomes it; empty: the one of the same name
  std::string type;                  ///< cast to this Iceberg type ("decimal(12,2)"); empty: as found
  std::optional<std::string> value;  ///< a constant
  std::string path_pattern;          ///< regular expression found in the file's path: its first group is the value, for each file
  bool json = false;                 ///< every value is kept as its JSON text; the column is a string
  ColumnCheck check;

  bool of_file() const { return value || !path_pattern.empty(); }  ///< one value for all rows of a file
  bool operator==(const ColumnDefinition&) const = default;
};

}  // namespace sluice
