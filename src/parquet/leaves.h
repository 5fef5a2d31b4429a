// The leaves of a schema: the columns of a Parquet file, in its order. Pure functions. Does not read Parquet.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "schema/type.h"

namespace sluice {

/// One primitive field.
struct Leaf {
  int field_id = 0;
  TypePtr type;
  std::string name;         ///< dotted, as in table properties: "a.b", "tags.element", "m.key"
  bool below_list = false;  ///< inside a list or map: several values per row
};

std::vector<Leaf> leaves_of(const Schema& schema);
/// How many leaves a field has.
size_t leaves_count(const Type& type);

/// One byte per value, 0 where a parent is null; empty: all visible. What a hidden value holds is meaningless.
using Visibility = std::vector<uint8_t>;

/// Calls `visit` for each leaf array of a column in leaf order, cut to the values that the column's rows refer to.
/// Finding hidden values costs time: without `with_visibility` they pass for visible.
void visit_leaves(const arrow::Array& column, bool with_visibility,
                  const std::function<void(const arrow::Array& leaf, const Visibility& visibility)>& visit);

/// Bytes that the column's own rows take in memory, shared buffers by what is used of them: an estimate, for limits.
int64_t bytes_of(const arrow::Array& column);

/// Visible NaNs in a float or double array.
int64_t count_nans(const arrow::Array& leaf, const Visibility& visibility);

}  // namespace sluice
