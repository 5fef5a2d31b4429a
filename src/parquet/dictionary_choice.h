// Whether dictionary encoding pays for a column, judged by its first rows: hashing a column of distinct values costs more than all
// the rest of writing it, and Parquet cannot go back once a file is open. Pure function.
#pragma once

#include <cstdint>
#include <vector>

#include <arrow/type_fwd.h>

#include "parquet/leaves.h"

namespace sluice {

/// Values of a leaf that are looked at.
inline constexpr int64_t kDictionarySampleValues = 20'000;

/// By leaf: true where few of the first values are distinct; no values at all count as few.
std::vector<bool> dictionary_pays(const std::vector<Leaf>& leaves, const arrow::RecordBatch& first_rows);

}  // namespace sluice
