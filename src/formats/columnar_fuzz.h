// What the fuzz targets of Parquet and ORC share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/status.h>

#include "formats/format.h"

namespace sluice {

/// Reads the bytes as a file of the format, with the columns that it has or with others, and aborts where a block is not valid.
inline void fuzz_columnar(const Format& format, const uint8_t* data, size_t size) {
  Context context;
  const auto blob = make_memory_blob(std::string(reinterpret_cast<const char*>(data), size));
  ReadPlan plan;
  plan.report_drift = true;
  plan.block_rows_max = 100;
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.columns.fields = {{.id = 1, .name = "id", .type = make_type(TypeId::kInt)},
                         {.id = 2, .name = "s", .type = make_struct({{.id = 3, .name = "x", .type = make_type(TypeId::kString)}})}};
  if (const auto inferred = format.infer(*blob, 1, Source{}, {}, context)) {
    for (const Field& field : inferred->fields) {
      if (field.type && plan.columns.find(field.name) == nullptr && size % 2 == 0) plan.columns.fields.push_back(field);
    }
  }
  auto reader = format.open(*blob, {}, plan, context);
  while (reader) {
    const auto block = (*reader)->next(context);
    if (!block || !*block) break;
    if (!(*block)->batch->ValidateFull().ok()) std::abort();
  }
}

}  // namespace sluice
