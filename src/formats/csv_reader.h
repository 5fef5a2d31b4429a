// Reads one CSV file into row blocks: columns by header name (without a header by position), fields as text of their column's type.
// What is wrong with a row makes it a bad row; what is wrong with a value is rescued. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/csv_columns.h"
#include "formats/csv_scanner.h"
#include "formats/format.h"
#include "schema/column_writer.h"
#include "schema/inference.h"

namespace sluice {

class CsvReader final : public Reader {
 public:
  /// Takes the header in. SchemaMismatch: with !plan.rescue a column that the table lacks; a required column that the file lacks.
  static Result<std::unique_ptr<CsvReader>> open(std::unique_ptr<ByteSource> source, CsvDialect dialect, const ReadPlan& plan,
                                                 Context& context, CsvScanLimits limits = {});

  /// For a range inside a file: `source` begins with a record, `first` has taken the file's first one (its header, if there is one).
  static Result<std::unique_ptr<CsvReader>> open_inside(std::unique_ptr<ByteSource> source, CsvDialect dialect, const ReadPlan& plan,
                                                        const CsvScanner& first);

  Result<std::optional<RowBlock>> next(Context& context) override;
  Drift drift() const override;

 private:
  struct Column {
    std::string name;
    int target = -1;                          ///< position in the table's columns
    std::optional<ColumnGuess> refused = {};  ///< what its values would need; only with report_drift
  };

  CsvReader(std::unique_ptr<ByteSource> source, CsvDialect dialect, CsvScanLimits limits, const ReadPlan& plan);
  Result<void> bind(std::vector<Column> columns);
  Result<void> take_header(Context& context);
  Result<void> bind_by_name(const CsvScanner& header);
  Result<void> bind_by_position(size_t field_count);
  Result<void> take_record(RowBlock& block);
  Result<void> rescue(Column& column, const CsvField& field);
  std::string required_value_missing(size_t target) const;
  Result<void> reject(std::string reason, int64_t byte, RowBlock& block);
  Result<void> check_bad_rows_percent() const;

  CsvScanner scanner_;
  const ReadPlan plan_;
  const CsvNullTokens null_tokens_;
  RowWriter rows_;
  std::vector<Column> columns_;
  bool bound_ = false, ended_ = false;
  int64_t rows_read_ = 0, rows_bad_ = 0;
};

/// The fields of a header record as strings. ParseError, TooLarge where it cannot be one.
Result<std::vector<std::string>> take_csv_header(const CsvScanner& scanner);

}  // namespace sluice
