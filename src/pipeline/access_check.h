// Whether what an ingestion needs can be reached, in words for people: `sluice check` and POST /ingestions/{id}/check.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "iceberg/catalog.h"
#include "model/ingestion.h"
#include "storage/object_store.h"

namespace sluice {

struct AccessCheck {
  std::string what;            ///< "orders: source live"
  Result<std::string> answer;  ///< what was seen, or why not
};

/// Lists the first page of each source.
std::vector<AccessCheck> check_sources(StoreProvider& stores, Clock& clock, const Ingestion& ingestion, Context& context);

/// Asks the catalog for the table; one that is not there yet is fine.
AccessCheck check_table(const Result<Catalog*>& catalog, const Ingestion& ingestion, Context& context);

/// Lists the place of the ingestion's Parquet objects.
AccessCheck check_objects(StoreProvider& stores, const Ingestion& ingestion, Context& context);

}  // namespace sluice
