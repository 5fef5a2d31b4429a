// Any bytes as a JSON file: nothing crashes, and all ways of reading it agree. The first two bytes choose the block size and the splits.
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/status.h>

#include "formats/decompress.h"
#include "formats/json_cutter.h"
#include "formats/json_format.h"
#include "formats/json_row.h"

namespace sluice {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

struct CutRow {
  int64_t byte;
  std::string text;
  std::string fault;
  bool operator==(const CutRow&) const = default;
};

/// The rows of a range; `layout` of the file. nullopt: an error (what came before it depends on how much was read at once). Every row: the
/// quick and the exact reader accept and refuse the same.
std::optional<std::vector<CutRow>> cut(Blob& blob, ByteRange range, int64_t block_bytes, JsonLayout& layout) {
  Context context;
  std::vector<CutRow> rows;
  auto cutter = RowCutter::open(blob, range, false, block_bytes, context);
  if (!cutter) return std::nullopt;
  layout = cutter->layout();
  JsonRowReader reader;
  for (RawRow row;;) {
    const auto more = cutter->next(row, context);
    if (!more) return std::nullopt;
    if (!*more) return rows;
    const bool is_good = !reader.read(row.text);
    require(is_good == !find_row_fault(row.text));
    if (is_good) require(json_value_at(reader.nodes()[0].raw) == row.text);
    rows.push_back({row.byte, std::string(row.text), row.fault});
  }
}

/// Reads all blocks; returns how many rows there are, bad ones included.
size_t read_all(Blob& blob, const ReadPlan& plan) {
  Context context;
  size_t rows = 0;
  auto reader = json_format().open(blob, {}, plan, context);
  while (reader) {
    const auto block = (*reader)->next(context);
    if (!block || !*block) break;
    require((*block)->batch->ValidateFull().ok());
    rows += static_cast<size_t>((*block)->batch->num_rows()) + (*block)->bad_rows.size();
  }
  if (reader) (void)(*reader)->drift();
  return rows;
}

void read_by_schemas(Blob& blob, size_t rows) {
  Context context;
  ReadPlan plan;
  plan.report_drift = true;
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.block_rows_max = 3;
  const TypePtr text = make_type(TypeId::kString), number = make_type(TypeId::kLong);
  plan.columns.fields = {
      {.name = "a", .type = number},
      {.name = "b", .type = make_struct({{.name = "a", .type = make_list(number)}, {.name = "b", .required = true, .type = text}})},
      {.name = "c", .type = make_map(text, make_type(TypeId::kDouble))},
      {.name = "d", .type = make_decimal(9, 2)},
      {.name = "e", .type = make_type(TypeId::kTimestamptz)}};
  assign_field_ids(plan.columns.fields, 0);
  require(read_all(blob, plan) == rows);

  const auto inferred = json_format().infer(blob, blob.size_bytes(), Source{}, {}, context);
  if (!inferred) return;
  plan.columns.fields.clear();
  for (const Field& field : inferred->fields) {
    if (field.type) plan.columns.fields.push_back(field);
  }
  require(read_all(blob, plan) == rows);
}

void run(std::string_view input) {
  if (input.size() < 2) return;
  const auto first = static_cast<uint8_t>(input[0]), second = static_cast<uint8_t>(input[1]);
  const auto blob = make_memory_blob(std::string(input.substr(2)));
  const int64_t size = blob->size_bytes();
  JsonLayout layout = JsonLayout::kDocuments, ignored = layout;
  const auto rows = cut(*blob, {}, kJsonBlockBytes, layout);
  require(cut(*blob, {}, 1 + first % 16, ignored) == rows);
  if (!rows) return;
  const bool is_compressed = compression_of(input.substr(2)) != Compression::kNone;
  if (layout == JsonLayout::kLines && size > 2 && !is_compressed) {  // only what is uncompressed can be split
    const int64_t middle = 1 + second % (size - 1);
    auto pieces = cut(*blob, {0, middle}, 1 + first, ignored);
    auto behind = cut(*blob, {middle, size - middle}, 1 + first, ignored);
    require(pieces && behind);
    for (auto& row : *behind) pieces->push_back(std::move(row));
    require(pieces == rows);
  }
  read_by_schemas(*blob, rows->size());
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
