// Stages the rows of one batch as data files of an Iceberg table. Small files share data files; a large file has its own. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "iceberg/table_metadata.h"
#include "model/ingestion.h"
#include "parquet/parquet_writer.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

struct StageTarget {
  ObjectStore& data_store;
  ObjectStore& metadata_store;
  TableMetadata metadata;
  Schema schema;
  ParquetOptions parquet;
  std::string quarantine_prefix = {};  ///< URI prefix; each file with bad rows adds "<uuid>.ndjson"
  std::string run_id = {};             ///< for the data files' footers
};

std::unique_ptr<Stager> make_iceberg_stager(StageTarget target, const Ingestion& ingestion, const BatchId& batch, Timestamp loaded_at);

}  // namespace sluice
