// Table types as Arrow types and back. Pure functions. Every field made here carries its id as metadata "PARQUET:field_id" (none for
// id 0). boolean, int32, int64, float32, float64, decimal128, date32, time64(us), timestamp(us), timestamp(us, UTC), utf8,
// arrow.uuid over fixed_size_binary(16), fixed_size_binary, binary, struct, list ("element"), map ("key", "value").
#pragma once

#include <memory>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "schema/type.h"

namespace sluice {

std::shared_ptr<arrow::DataType> to_arrow(const Type& type);
std::shared_ptr<arrow::Field> to_arrow(const Field& field);
std::shared_ptr<arrow::Schema> to_arrow(const Schema& schema);

/// The table type that holds every value of an Arrow type: small integers become int, uint32 long, uint64 decimal(20,0), large and
/// dictionary-encoded types their plain form, coarser or finer times microseconds. kInvalidInput: no such type (duration, union, ...).
Result<TypePtr> from_arrow(const arrow::DataType& type);
Result<Field> from_arrow(const arrow::Field& field);
Result<Schema> from_arrow(const arrow::Schema& schema);

}  // namespace sluice
