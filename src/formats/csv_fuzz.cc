// Any bytes as a CSV file: no crash, and the same rows, problems and error whatever the block size. The first bytes choose the dialect; the
// same bytes are also read in the dialect that is found in them, in any encoding.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <fmt/format.h>

#include "formats/csv_format.h"
#include "formats/csv_reader.h"

namespace sluice {
namespace {

std::string scan(const std::string& file, CsvDialect dialect, size_t block_bytes) {
  Context context;
  CsvScanner scanner(*make_memory_blob(file)->open({}, context), dialect, {.block_bytes = block_bytes, .record_bytes_max = 300});
  std::string out;
  for (;;) {
    const auto found = scanner.next(context);
    // The words about an open quote depend on how much was seen when the limit was passed; the place must not.
    if (!found) return out + fmt::format("{}@{}@{}", found.error().type, found.error().line, found.error().byte);
    if (!*found) return out;
    out += fmt::format("{}@{}{}@{}:", scanner.line(), scanner.byte(), scanner.problem().reason, scanner.problem().byte);
    for (const CsvField& field : scanner.fields()) out += fmt::format("{}{},", field.text, field.quoted ? "q" : "");
  }
}

void read_rows(const std::string& file, CsvDialect dialect, bool header) {
  Context context;
  ReadPlan plan{.report_drift = true};
  plan.columns.fields = {{.id = 1, .name = "a", .type = make_type(TypeId::kLong)},
                         {.id = 2, .name = "b", .type = make_type(TypeId::kString)},
                         {.id = 3, .name = "c", .type = make_type(TypeId::kTimestamp)}};
  plan.csv.header = header;
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.block_rows_max = 7;
  auto reader = CsvReader::open(*make_memory_blob(file)->open({}, context), {.dialect = dialect, .header = header}, plan, context);
  if (!reader) return;
  for (auto block = (*reader)->next(context); block && *block; block = (*reader)->next(context)) {
  }
  (*reader)->drift();
}

/// A file is a file: what is found in it is usable, and its rows are valid.
void read_as_found(const std::string& file) {
  Context context;
  const auto blob = make_memory_blob(file);
  if (!find_csv_layout(file, true, {}).dialect.check()) std::abort();
  ReadPlan plan{.report_drift = true};
  plan.bad_rows.action = BadRowAction::kSkip;
  if (const auto inferred = csv_format().infer(*blob, 1, Source{}, {}, context)) {
    for (const Field& field : inferred->fields) {
      if (field.type && plan.columns.find(field.name) == nullptr) plan.columns.fields.push_back(field);
    }
  }
  (void)csv_format().describe(*blob, Source{}, context);
  const auto reader = csv_format().open(*blob, {}, plan, context);
  while (reader) {
    const auto block = (*reader)->next(context);
    if (!block || !*block) break;
    if (!(*block)->batch->ValidateFull().ok()) std::abort();
  }
}

constexpr TextEncoding kEncodings[] = {TextEncoding::kUtf8, TextEncoding::kAuto, TextEncoding::kLatin1, TextEncoding::kWindows1252};

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const sluice::CsvDialect dialect{.delimiter = ",;\t|"[data[0] % 4],
                                   .quote = "\"'\0\""[data[1] % 4],
                                   .escape = "\0\0\\!"[data[1] / 4 % 4],
                                   .comment = "\0\0#/"[data[1] / 16 % 4],
                                   .row_fields = data[0] / size_t{16} % 4,
                                   .skip_lines = data[1] / 64,
                                   .encoding = sluice::kEncodings[data[0] / 4 % 4]};
  const size_t block_bytes = data[2] + size_t{1};
  const std::string file(reinterpret_cast<const char*>(data + 3), size - 3);
  if (sluice::scan(file, dialect, block_bytes) != sluice::scan(file, dialect, 4096)) std::abort();
  sluice::read_rows(file, dialect, data[0] % 2 == 0);
  sluice::read_as_found(file);
  return 0;
}
