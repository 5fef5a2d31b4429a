// Records of an Avro file -> Arrow columns in the file's own types. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "formats/avro_file.h"
#include "schema/column_writer.h"

namespace sluice {

class AvroColumns {
 public:
  /// ParseError: the schema is no record.
  static Result<AvroColumns> open(const AvroTypePtr& schema, int64_t rows_max);

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  /// Appends the next record. ParseError (without a place): the block is broken.
  Result<void> append(AvroDecoder& in);
  bool full() const { return rows_->full(); }
  int64_t rows() const { return rows_->rows(); }
  std::shared_ptr<arrow::RecordBatch> flush();

 private:
  Result<void> append_value(ColumnWriter& to, const AvroType& type, AvroDecoder& in);
  Result<void> append_record(ColumnWriter& to, const AvroType& type, AvroDecoder& in);
  Result<void> append_union(ColumnWriter& to, const AvroType& type, AvroDecoder& in);
  Result<void> append_array(ColumnWriter& to, const AvroType& type, AvroDecoder& in);
  Result<void> append_map(ColumnWriter& to, const AvroType& type, AvroDecoder& in);
  static Result<void> append_decimal(ColumnWriter& to, const AvroType& type, std::string_view big_endian);

  AvroTypePtr type_;
  std::shared_ptr<arrow::Schema> schema_;
  std::optional<RowWriter> rows_;  ///< in types of the same layout
};

}  // namespace sluice
