// Reads one CSV file into row blocks: columns by header name, without a header by position. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/csv_dialect.h"
#include "formats/csv_scanner.h"
#include "formats/field_rows.h"
#include "formats/format.h"

namespace sluice {

class CsvReader final : public Reader {
 public:
  /// Takes the header in. `source`: as the scanner wants it. Errors of FieldRows.
  static Result<std::unique_ptr<CsvReader>> open(std::unique_ptr<ByteSource> source, const CsvLayout& layout, const ReadPlan& plan,
                                                 Context& context, CsvScanLimits limits = {});

  /// For a range inside a file: `source` begins with a record, `first` has taken the file's first one (its header, if there is one).
  static Result<std::unique_ptr<CsvReader>> open_inside(std::unique_ptr<ByteSource> source, const CsvLayout& layout, const ReadPlan& plan,
                                                        const CsvScanner& first);

  Result<std::optional<RowBlock>> next(Context& context) override;
  Drift drift() const override { return rows_.drift(); }

 private:
  CsvReader(std::unique_ptr<ByteSource> source, const CsvLayout& layout, CsvScanLimits limits, const ReadPlan& plan)
      : scanner_(std::move(source), layout.dialect, limits), rows_(plan, layout.decimal) {}
  Result<void> take_header(Context& context);
  Result<void> bind_by_name(const CsvScanner& header);
  Result<void> take_record();

  CsvScanner scanner_;
  FieldRows rows_;
  bool ended_ = false;
};

/// The fields of a header record as strings. ParseError, TooLarge where it cannot be one.
Result<std::vector<std::string>> take_csv_header(const CsvScanner& scanner);

}  // namespace sluice
