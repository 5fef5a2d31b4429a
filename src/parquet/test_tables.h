// For tests: record batches from JSON text, and a written Parquet file read back by Arrow. Stops the program where a test is wrong.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/extension_type.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include "schema/arrow_schema.h"
#include "schema/type.h"

namespace sluice {

/// One column in Arrow's JSON form: "[1, null, 3]"; structs as objects or arrays, maps as arrays of pairs.
inline std::shared_ptr<arrow::Array> array_of(const std::shared_ptr<arrow::DataType>& type, std::string_view json) {
  if (type->id() != arrow::Type::EXTENSION) return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  const auto& extension = static_cast<const arrow::ExtensionType&>(*type);
  return arrow::ExtensionType::WrapArray(type, array_of(extension.storage_type(), json));
}

/// A batch of `schema`, one JSON text per column.
inline std::shared_ptr<arrow::RecordBatch> batch_of(const Schema& schema, const std::vector<std::string>& columns) {
  const auto arrow_schema = to_arrow(schema);
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (size_t i = 0; i < columns.size(); ++i) arrays.push_back(array_of(arrow_schema->field(static_cast<int>(i))->type(), columns[i]));
  const int64_t rows = arrays.at(0)->length();
  return arrow::RecordBatch::Make(arrow_schema, rows, std::move(arrays));
}

inline std::unique_ptr<parquet::ParquetFileReader> open_parquet(const std::string& bytes) {
  return parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes)));
}

/// The whole file as a table in one chunk per column.
inline std::shared_ptr<arrow::Table> read_table(const std::string& bytes) {
  parquet::ArrowReaderProperties properties;
  properties.set_arrow_extensions_enabled(true);
  parquet::arrow::FileReaderBuilder builder;
  auto opened = builder.Open(std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes)));
  if (!opened.ok()) opened.Abort();
  std::unique_ptr<parquet::arrow::FileReader> reader;
  auto built = builder.properties(properties)->Build(&reader);
  if (!built.ok()) built.Abort();
  return reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
}

}  // namespace sluice
