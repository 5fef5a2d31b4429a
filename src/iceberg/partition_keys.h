// The partition of every row of a batch. Pure functions over Arrow arrays; the values are those of transform.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "iceberg/partition_spec.h"
#include "iceberg/transform.h"
#include "schema/literal.h"
#include "schema/type.h"

namespace sluice {

/// One value per row, each distinct value once.
struct KeyColumn {
  std::vector<int32_t> codes;   ///< by row: position in `values`
  std::vector<Literal> values;  ///< all different; some may have no row
};

/// The transform's value of every row. `column` has the Arrow type of `source` (schema/arrow_schema.h) or is a dictionary of it.
KeyColumn transform_column(const Transform& transform, const Type& source, const arrow::Array& column);

/// One partition per row.
struct PartitionKeys {
  std::vector<int32_t> codes;                ///< by row: position in `tuples`
  std::vector<std::vector<Literal>> tuples;  ///< one value per partition field; in order of first appearance, each has a row
};

/// `schema` is that of the batch's columns, in order.
PartitionKeys partition_keys(const std::vector<BoundPartitionField>& fields, const Schema& schema, const arrow::RecordBatch& batch);

/// A column or a member of structs by field id, null where a struct around it is. The schema must have it.
std::shared_ptr<arrow::Array> find_source(const Schema& schema, const arrow::RecordBatch& batch, int field_id);

/// One value of an array in the Arrow type of `type`.
Literal literal_at(const arrow::Array& array, const Type& type, int64_t row);

}  // namespace sluice
