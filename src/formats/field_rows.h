// Rows of named text fields -> row blocks: what the readers of CSV and of plain text share. Fields fill the table's columns by name or by
// position, as text of their column's type. What is wrong with a row makes it a bad row; what is wrong with a value is rescued.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "formats/bad_row_tally.h"
#include "formats/csv_columns.h"
#include "formats/format.h"
#include "schema/column_writer.h"
#include "schema/inference.h"

namespace sluice {

/// Samples that columns are inferred from: a header alone says nothing of types.
inline constexpr int64_t kSampleBytesMin = 64 * kKiB;  ///< stored bytes
inline constexpr int64_t kSampleInflationMax = 16;     ///< of compressed ones

/// Where a row begins in its file.
struct RowPlace {
  int64_t line = 0;  ///< 1-based
  int64_t byte = 0;
};

class FieldRows {
 public:
  FieldRows(const ReadPlan& plan, char decimal);

  /// Before the first row. SchemaMismatch: with !plan.rescue a column that the table lacks; a required column that the file lacks.
  Result<void> bind_by_name(std::span<const std::string> names, RowPlace place);
  /// The first fields are the table's columns in order, further ones get generated names.
  Result<void> bind_by_position(size_t field_count, RowPlace place);
  bool bound() const { return bound_; }

  /// A row; another number of fields than were bound, or a required column without a value, makes it a bad one. `raw` gives its text.
  template <class Raw>
  Result<void> append(std::span<const CsvField> fields, size_t field_count, RowPlace place, const Raw& raw) {
    TRY_ASSIGN(const bool good, append_fields(fields, field_count, place));
    if (good) [[likely]]
      return {};
    return reject(std::exchange(reason_, {}), place, place.byte, raw());
  }

  /// A bad row, what is wrong with it at `byte`. An error where it is not allowed.
  Result<void> reject(std::string reason, RowPlace place, int64_t byte, std::string raw);

  /// Time to take().
  bool full() const { return rows_.full() || block_.bad_rows.size() >= kBadRowsPerBlockMax; }
  /// What was collected since the last time; nullopt: nothing.
  std::optional<RowBlock> take();
  /// At the end of the file: whether too many of its rows were bad.
  Result<void> check_bad_rows_percent() const;
  Drift drift() const;

 private:
  struct Column {
    std::string name;
    int target = -1;                          ///< position in the table's columns
    bool decimal_comma = false;               ///< its numbers are written so
    bool keeps_codes_out = false;             ///< see below
    std::optional<ColumnGuess> refused = {};  ///< what its values would need; only with report_drift
  };

  Column column_of(std::string name, int target) const;
  Result<void> bind(std::vector<Column> columns, RowPlace place);
  /// False: a bad row, its reason is in reason_.
  Result<bool> append_fields(std::span<const CsvField> fields, size_t field_count, RowPlace place);
  bool append_value(const Column& column, std::string_view text);
  Result<void> rescue(Column& column, std::string_view text, RowPlace place);
  std::string required_value_missing(size_t target, std::span<const CsvField> fields) const;

  const ReadPlan plan_;
  const bool decimal_comma_;
  const CsvNullTokens null_tokens_;
  RowWriter rows_;
  RowBlock block_;
  std::vector<Column> columns_;
  bool bound_ = false;
  std::string reason_, scratch_;
  int64_t rows_read_ = 0, rows_bad_ = 0;
};

/// "line 4: expected 3 fields, found 2 (byte 24)", with line and byte set.
Error error_at(RowPlace place, std::string_view reason, std::string_view type);

/// Whether is_code() text does not fit this column of the plan: it holds numbers because its values looked so, and such text does not.
bool keeps_codes_out(const ReadPlan& plan, const Field& column);

/// Shows a value to `guess` as FieldRows would read it.
void see_field(std::string_view text, bool decimal_comma, ColumnGuess& guess, std::string& scratch);

}  // namespace sluice
