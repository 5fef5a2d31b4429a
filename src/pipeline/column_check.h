// What a column's values must be, value by value. Not thread-safe; a copy serves another thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "formats/text_pattern.h"
#include "model/column_definition.h"
#include "schema/literal.h"
#include "schema/type.h"

namespace sluice {

class ColumnChecker {
 public:
  /// Reads the check's values as the column's type. kInvalidInput, without the column's name: one does not fit it, a nested column, a type
  /// without an order, or a broken pattern. `type_is_given`: by definition; text that was only found to be text is not compared as text.
  static Result<ColumnChecker> make(const ColumnCheck& check, const std::string& column, const Type& type, bool type_is_given);

  /// Why row `row` of the column's values is a bad row, naming column, value and rule; nullopt: it is not. A null breaks `required` only.
  std::optional<std::string> fault(const arrow::Array& values, int64_t row);

 private:
  ColumnChecker() = default;
  std::string value_fault(const arrow::Array& values, int64_t row, std::string_view rule) const;

  ColumnCheck check_;
  std::string column_;
  Type type_;
  std::optional<Literal> min_, max_;
  std::vector<Literal> in_;  ///< sorted
  std::optional<TextPattern> pattern_;
};

}  // namespace sluice
