// Whether dictionary encoding pays for a column, judged by its first rows: hashing a column of distinct values costs more than all
// the rest of writing it, and Parquet cannot go back once a file is open. Not thread-safe.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include <arrow/type_fwd.h>

#include "parquet/leaves.h"

namespace sluice {

/// Values of a leaf that are looked at.
inline constexpr int64_t kDictionarySampleValues = 20'000;

class DictionaryChoice {
 public:
  explicit DictionaryChoice(const std::vector<Leaf>& leaves) : leaves_(leaves), samples_(leaves.size()) {}

  /// Looks at the rows of all columns, in the schema's order.
  void look_at(const std::vector<std::shared_ptr<arrow::Array>>& columns);
  /// True where few of the values seen are distinct; nothing seen counts as few.
  bool pays(size_t leaf) const;

 private:
  struct Sample {
    int64_t values = 0;
    std::unordered_set<uint64_t> hashes;
  };

  const std::vector<Leaf>& leaves_;
  std::vector<Sample> samples_;
};

}  // namespace sluice
