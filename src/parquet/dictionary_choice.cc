#include "parquet/dictionary_choice.h"

#include <algorithm>
#include <string_view>

#include <arrow/array.h>

namespace sluice {
namespace {

// A string's dictionary saves its whole text, a number's only part of a few bytes that compress well anyway.
constexpr double kDistinctRatioOfBytesMax = 0.3;
constexpr double kDistinctRatioOfNumbersMax = 0.1;

uint64_t hash_of(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }

}  // namespace

void DictionaryChoice::look_at(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  size_t next = 0;
  const auto look = [&](const arrow::Array& leaf, const Visibility&) {
    Sample& sample = samples_[next++];
    const int64_t count = std::min(leaf.length(), kDictionarySampleValues - sample.values);
    const bool is_bytes = leaf.type_id() == arrow::Type::STRING || leaf.type_id() == arrow::Type::BINARY;
    if (!is_bytes && leaf.type_id() == arrow::Type::BOOL) return;
    const int width = is_bytes ? 0 : leaf.type()->byte_width();
    const uint8_t* fixed = is_bytes ? nullptr : leaf.data()->GetValues<uint8_t>(1, leaf.offset() * width);
    for (int64_t i = 0; i < count; ++i) {
      if (leaf.IsNull(i)) continue;
      const std::string_view bytes = is_bytes ? std::string_view(static_cast<const arrow::BinaryArray&>(leaf).GetView(i))
                                              : std::string_view(reinterpret_cast<const char*>(fixed) + i * width, width);
      sample.hashes.insert(hash_of(bytes));
      ++sample.values;
    }
  };
  for (const auto& column : columns) visit_leaves(*column, false, look);
}

bool DictionaryChoice::pays(size_t leaf) const {
  const TypeId id = leaves_[leaf].type->id;
  const bool is_bytes = id == TypeId::kString || id == TypeId::kBinary || id == TypeId::kFixed || id == TypeId::kUuid;
  const double ratio = is_bytes ? kDistinctRatioOfBytesMax : kDistinctRatioOfNumbersMax;
  const Sample& sample = samples_[leaf];
  return static_cast<double>(sample.hashes.size()) <= ratio * static_cast<double>(sample.values);
}

}  // namespace sluice
