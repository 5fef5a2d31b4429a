#include "formats/csv_reader.h"

#include <utility>

#include <fmt/format.h>

#include "formats/csv_columns.h"
#include "model/file.h"

namespace sluice {
namespace {

RowPlace place_of(const CsvScanner& scanner) { return {scanner.line(), scanner.byte()}; }

}  // namespace

Result<std::vector<std::string>> take_csv_header(const CsvScanner& scanner) {
  if (const CsvProblem& problem = scanner.problem(); !problem.reason.empty()) {
    return std::unexpected(error_at({scanner.line(), problem.byte}, problem.reason + " in the header", error_type::kParseError));
  }
  if (scanner.field_count() > kCsvFieldsMax) {
    const std::string reason = fmt::format("a header of {} columns, above the limit of {}", scanner.field_count(), kCsvFieldsMax);
    return std::unexpected(error_at(place_of(scanner), reason, error_type::kTooLarge));
  }
  std::vector<std::string> header;
  for (const CsvField& field : scanner.fields()) header.emplace_back(field.text);
  return header;
}

Result<std::unique_ptr<CsvReader>> CsvReader::open(std::unique_ptr<ByteSource> source, const CsvLayout& layout, const ReadPlan& plan,
                                                   Context& context, CsvScanLimits limits) {
  std::unique_ptr<CsvReader> reader(new CsvReader(std::move(source), layout, limits, plan));
  if (layout.header) TRY(reader->take_header(context));
  return reader;
}

Result<std::unique_ptr<CsvReader>> CsvReader::open_inside(std::unique_ptr<ByteSource> source, const CsvLayout& layout, const ReadPlan& plan,
                                                          const CsvScanner& first) {
  std::unique_ptr<CsvReader> reader(new CsvReader(std::move(source), layout, {}, plan));
  TRY(layout.header ? reader->bind_by_name(first) : reader->rows_.bind_by_position(first.field_count(), place_of(first)));
  return reader;
}

Result<void> CsvReader::take_header(Context& context) {
  TRY_ASSIGN(const bool found, scanner_.next(context));
  if (!found) {
    ended_ = true;  // an empty file has no header and no rows
    return {};
  }
  return bind_by_name(scanner_);
}

Result<void> CsvReader::bind_by_name(const CsvScanner& header) {
  TRY_ASSIGN(const auto written, take_csv_header(header));
  return rows_.bind_by_name(csv_column_names(written), place_of(header));
}

Result<std::optional<RowBlock>> CsvReader::next(Context& context) {
  while (!ended_ && !rows_.full()) {
    TRY_ASSIGN(const bool found, scanner_.next(context));
    if (found) {
      TRY(take_record());
    } else {
      ended_ = true;
      TRY(rows_.check_bad_rows_percent());
    }
  }
  return rows_.take();
}

Result<void> CsvReader::take_record() {
  const RowPlace place = place_of(scanner_);
  const auto raw = [&] { return scanner_.raw_text(kBadRowTextBytesMax); };
  if (const CsvProblem& problem = scanner_.problem(); !problem.reason.empty())
    return rows_.reject(problem.reason, place, problem.byte, raw());
  if (!rows_.bound()) TRY(rows_.bind_by_position(scanner_.field_count(), place));
  return rows_.append(scanner_.fields(), scanner_.field_count(), place, raw);
}

}  // namespace sluice
