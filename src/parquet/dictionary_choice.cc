// Distinct values are estimated by linear counting: each value's hash sets one bit of a table, and from the share of bits still unset
// follows how many different hashes there were (n = -bits * ln(unset share)). With three bits per value the error is about 1%, and the
// table stays in the first-level cache, where a hash set would miss it for every value.
#include "parquet/dictionary_choice.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include <arrow/array.h>
#include <arrow/record_batch.h>

namespace sluice {
namespace {

// A string's dictionary saves its whole text, a number's only part of a few bytes that compress well anyway.
constexpr double kDistinctRatioOfBytesMax = 0.3;
constexpr double kDistinctRatioOfNumbersMax = 0.1;

constexpr int kTableBitsLog2 = 16;
constexpr double kTableBits = 1 << kTableBitsLog2;

class DistinctCounter {
 public:
  void add(uint64_t hash) {
    hash *= 0x9E3779B97F4A7C15u;  // its upper bits choose the place
    const uint64_t place = hash >> (64 - kTableBitsLog2);
    table_[place / 64] |= uint64_t{1} << place % 64;
    ++values_;
  }

  /// Distinct values per value.
  double ratio() const {
    if (values_ == 0) return 0;
    int set = 0;
    for (const uint64_t word : table_) set += std::popcount(word);
    return -kTableBits * std::log1p(-set / kTableBits) / static_cast<double>(values_);
  }

 private:
  std::array<uint64_t, (1 << kTableBitsLog2) / 64> table_ = {};
  int64_t values_ = 0;
};

uint64_t hash_of(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }

template <class Word>
uint64_t hash_of_word(const uint8_t* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof(word));
  return word ^ static_cast<uint64_t>(word) >> 29;
}

double distinct_ratio(const arrow::Array& leaf) {
  const int64_t count = std::min(leaf.length(), kDictionarySampleValues);
  const bool is_bytes = leaf.type_id() == arrow::Type::STRING || leaf.type_id() == arrow::Type::BINARY;
  const int width = is_bytes ? 0 : leaf.type()->byte_width();
  const uint8_t* fixed = is_bytes ? nullptr : leaf.data()->GetValues<uint8_t>(1, leaf.offset() * width);
  DistinctCounter counter;
  for (int64_t i = 0; i < count; ++i) {
    if (leaf.IsNull(i)) continue;
    if (is_bytes) {
      counter.add(hash_of(static_cast<const arrow::BinaryArray&>(leaf).GetView(i)));
    } else if (width == 8) {
      counter.add(hash_of_word<uint64_t>(fixed + i * 8));
    } else if (width == 4) {
      counter.add(hash_of_word<uint32_t>(fixed + i * 4));
    } else {
      counter.add(hash_of({reinterpret_cast<const char*>(fixed) + i * width, static_cast<size_t>(width)}));
    }
  }
  return counter.ratio();
}

}  // namespace

std::vector<bool> dictionary_pays(const std::vector<Leaf>& leaves, const arrow::RecordBatch& first_rows) {
  std::vector<bool> pays;
  const auto judge = [&](const arrow::Array& values, const Visibility&) {
    const TypeId id = leaves[pays.size()].type->id;
    const bool is_bytes = id == TypeId::kString || id == TypeId::kBinary || id == TypeId::kFixed || id == TypeId::kUuid;
    // Parquet has no dictionaries of booleans: a value is a bit already.
    pays.push_back(id == TypeId::kBoolean || distinct_ratio(values) <= (is_bytes ? kDistinctRatioOfBytesMax : kDistinctRatioOfNumbersMax));
  };
  for (const auto& column : first_rows.columns()) visit_leaves(*column, false, judge);
  return pays;
}

}  // namespace sluice
