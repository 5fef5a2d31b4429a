// Stages the files of one batch as Parquet objects, one for each file. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/work_ledger.h"
#include "model/ingestion.h"
#include "parquet/parquet_writer.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

/// A file's key, or why it has none.
struct OwnKey {
  std::string key;
  std::optional<Error> refusal;  ///< the file's
  bool again = false;            ///< as in KeyClaim, and the next one
  std::vector<BatchId> batches;
};

struct ObjectStageTarget {
  ObjectStore& store;
  WorkLedger& ledger;
  Lease lease;
  ParquetOptions parquet;
  std::map<std::string, OwnKey> keys = {};  ///< by path
  std::string quarantine_prefix = {};       ///< URI prefix; each file with bad rows adds "<uuid>.ndjson"
};

std::unique_ptr<Stager> make_parquet_stager(ObjectStageTarget target, const Ingestion& ingestion, Timestamp loaded_at);

}  // namespace sluice
