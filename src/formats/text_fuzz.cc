// Any bytes as plain text: no crash, the same lines, places and problems whatever the block size, and valid rows, with and without a
// pattern. The first byte chooses the encoding and the block size.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <fmt/format.h>

#include "formats/line_scanner.h"
#include "formats/text_format.h"

namespace sluice {
namespace {

constexpr TextEncoding kEncodings[] = {TextEncoding::kUtf8,        TextEncoding::kAuto,    TextEncoding::kLatin1,
                                       TextEncoding::kWindows1252, TextEncoding::kUtf16le, TextEncoding::kUtf16be};

std::string scan(const std::string& file, TextEncoding encoding, size_t block_bytes) {
  Context context;
  auto source = *make_memory_blob(file)->open({}, context);
  if (is_utf16(encoding)) source = open_utf16(std::move(source), encoding, false);
  LineScanner scanner(std::move(source), encoding, {.block_bytes = block_bytes, .line_bytes_max = 300});
  std::string out;
  for (;;) {
    const auto found = scanner.next(context);
    if (!found) return out + found.error().type;
    if (!*found) return out;
    out += fmt::format("{}@{}{}:{}\n", scanner.line(), scanner.byte(), scanner.problem(), scanner.text());
  }
}

void read_rows(const std::string& file, const std::string& pattern) {
  Context context;
  const auto blob = make_memory_blob(file);
  ReadPlan plan{.report_drift = true};
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.text.pattern = pattern;
  plan.columns.fields = {{.id = 1, .name = "value", .type = make_type(TypeId::kString)},
                         {.id = 2, .name = "n", .type = make_type(TypeId::kLong)}};
  Source source;
  source.text = plan.text;
  (void)text_format().infer(*blob, 1, source, {}, context);
  const auto reader = text_format().open(*blob, {}, plan, context);
  while (reader) {
    const auto block = (*reader)->next(context);
    if (!block || !*block) break;
    if (!(*block)->batch->ValidateFull().ok()) std::abort();
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  if (size < 1) return 0;
  const TextEncoding encoding = kEncodings[data[0] % std::size(kEncodings)];
  const size_t block_bytes = data[0] / std::size(kEncodings) + 4;
  const std::string file(reinterpret_cast<const char*>(data + 1), size - 1);
  if (scan(file, encoding, block_bytes) != scan(file, encoding, 4096)) std::abort();
  read_rows(file, "");
  read_rows(file, R"(^(?<value>(\w+\s?)+)=(?<n>-?\d+)?$)");
  return 0;
}
