// Where the tables of a SQL catalog lie, and whether such a place is free.
#pragma once

#include <optional>
#include <string>

#include "base/context.h"
#include "base/error.h"
#include "iceberg/catalog.h"
#include "storage/object_store.h"

namespace sluice {

/// Of a table that names no place of its own.
std::string default_location(const std::string& warehouse, const TableId& id);

/// Two tables must not share a place: a catalog that does not know the one that lies there is another catalog's warehouse. Metadata
/// without a snapshot is what a creation leaves that never reached its catalog. kInvalidInput inside: a table lies at `location`, whose
/// metadata files would be in `metadata_dir`; nullopt: none does. An Error: nobody knows, the store did not answer. `catalog_uri` is for
/// the message.
Result<std::optional<Error>> why_place_is_taken(ObjectStore& store, const std::string& location, const std::string& metadata_dir,
                                                const std::string& catalog_uri, Context& context);

}  // namespace sluice
