// Any bytes as an Avro data file: nothing crashes, nothing takes memory beyond its bytes, and as many rows come out in blocks of one as in
// large ones.
#include <algorithm>
#include <cstdlib>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/status.h>

#include "formats/avro_format.h"

namespace sluice {
namespace {

std::string read(Blob& blob, int64_t rows_max) {
  Context context;
  ReadPlan plan;
  plan.report_drift = true;
  plan.block_rows_max = rows_max;
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.columns.fields = {{.id = 1, .name = "id", .type = make_type(TypeId::kInt)}};
  const auto inferred = avro_format().infer(blob, 1, Source{}, {}, context);
  if (!inferred) return "";
  for (const Field& field : inferred->fields) {
    if (field.type && plan.columns.find(field.name) == nullptr) plan.columns.fields.push_back(field);
  }
  auto reader = avro_format().open(blob, {}, plan, context);
  if (!reader) return reader.error().message;
  int64_t rows = 0;
  for (;;) {
    const auto block = (*reader)->next(context);
    if (!block) return block.error().type;  // rows of the last block may or may not have been handed over
    if (!*block) return std::to_string(rows);
    if (!(*block)->batch->ValidateFull().ok()) std::abort();
    rows += (*block)->batch->num_rows() + static_cast<int64_t>((*block)->bad_rows.size());
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto blob = sluice::make_memory_blob(std::string(reinterpret_cast<const char*>(data), size));
  if (sluice::read(*blob, 1) != sluice::read(*blob, 8192)) std::abort();
  return 0;
}
