#include "parquet/leaves.h"

#include <cmath>

#include <arrow/array.h>
#include <arrow/extension_type.h>

namespace sluice {
namespace {

void add_leaves(const Field& field, const std::string& prefix, bool below_list, std::vector<Leaf>& out) {
  const std::string name = prefix.empty() ? field.name : prefix + "." + field.name;
  if (!field.type->is_nested()) {
    out.push_back({field.id, field.type, name, below_list});
    return;
  }
  const bool repeated = below_list || field.type->id != TypeId::kStruct;
  for (const Field& child : field.type->fields) add_leaves(child, name, repeated, out);
}

/// Visibility of a struct's members: the struct's own and its nulls.
Visibility below_struct(const arrow::Array& array, const Visibility& visibility) {
  if (array.null_count() == 0) return visibility;
  Visibility below(static_cast<size_t>(array.length()), 1);
  for (int64_t i = 0; i < array.length(); ++i) below[i] = array.IsValid(i) && (visibility.empty() || visibility[i]);
  return below;
}

/// Visibility of the elements of a list or map, whose values begin at value_offset(0).
Visibility below_list(const arrow::ListArray& list, const Visibility& visibility) {
  if (list.null_count() == 0 && visibility.empty()) return {};
  const int64_t first = list.value_offset(0);
  Visibility below(static_cast<size_t>(list.value_offset(list.length()) - first), 1);
  for (int64_t i = 0; i < list.length(); ++i) {
    if (list.IsValid(i) && (visibility.empty() || visibility[i])) continue;
    for (int64_t at = list.value_offset(i); at < list.value_offset(i + 1); ++at) below[at - first] = 0;
  }
  return below;
}

using Visit = std::function<void(const arrow::Array&, const Visibility&)>;

void visit_below(const arrow::Array& array, bool with_visibility, const Visibility& visibility, const Visit& visit) {
  switch (array.type_id()) {
    case arrow::Type::EXTENSION:
      return visit_below(*static_cast<const arrow::ExtensionArray&>(array).storage(), with_visibility, visibility, visit);
    case arrow::Type::STRUCT: {
      const auto& rows = static_cast<const arrow::StructArray&>(array);
      const Visibility below = with_visibility ? below_struct(array, visibility) : Visibility();
      for (int i = 0; i < rows.num_fields(); ++i) visit_below(*rows.field(i), with_visibility, below, visit);
      return;
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      const int64_t first = list.value_offset(0), count = list.value_offset(list.length()) - first;
      const Visibility below = with_visibility ? below_list(list, visibility) : Visibility();
      if (array.type_id() == arrow::Type::LIST) return visit_below(*list.values()->Slice(first, count), with_visibility, below, visit);
      const auto& map = static_cast<const arrow::MapArray&>(array);
      visit_below(*map.keys()->Slice(first, count), with_visibility, below, visit);
      return visit_below(*map.items()->Slice(first, count), with_visibility, below, visit);
    }
    default: visit(array, visibility);
  }
}

template <class Values>
int64_t count_nans_in(const Values& values, const Visibility& visibility) {
  const auto* raw = values.raw_values();
  int64_t count = 0;
  if (values.null_count() == 0 && visibility.empty()) {
    for (int64_t i = 0; i < values.length(); ++i) count += raw[i] != raw[i];
    return count;
  }
  for (int64_t i = 0; i < values.length(); ++i) count += std::isnan(raw[i]) && values.IsValid(i) && (visibility.empty() || visibility[i]);
  return count;
}

}  // namespace

std::vector<Leaf> leaves_of(const Schema& schema) {
  std::vector<Leaf> leaves;
  for (const Field& field : schema.fields) add_leaves(field, "", false, leaves);
  return leaves;
}

size_t leaves_count(const Type& type) {
  if (!type.is_nested()) return 1;
  size_t count = 0;
  for (const Field& field : type.fields) count += leaves_count(*field.type);
  return count;
}

void visit_leaves(const arrow::Array& column, bool with_visibility, const Visit& visit) { visit_below(column, with_visibility, {}, visit); }

int64_t bytes_of(const arrow::Array& column) {
  int64_t bytes = 0;
  visit_leaves(column, false, [&](const arrow::Array& leaf, const Visibility&) {
    if (leaf.type_id() == arrow::Type::STRING || leaf.type_id() == arrow::Type::BINARY) {
      const auto& texts = static_cast<const arrow::BinaryArray&>(leaf);
      bytes += texts.value_offset(leaf.length()) - texts.value_offset(0) + leaf.length() * static_cast<int64_t>(sizeof(int32_t));
    } else {
      bytes += (leaf.length() * static_cast<const arrow::FixedWidthType&>(*leaf.type()).bit_width() + 7) / 8;
    }
  });
  return bytes;
}

int64_t count_nans(const arrow::Array& leaf, const Visibility& visibility) {
  if (leaf.type_id() == arrow::Type::FLOAT) return count_nans_in(static_cast<const arrow::FloatArray&>(leaf), visibility);
  if (leaf.type_id() == arrow::Type::DOUBLE) return count_nans_in(static_cast<const arrow::DoubleArray&>(leaf), visibility);
  return 0;
}

}  // namespace sluice
