// A catalog behind Iceberg's REST protocol (Apache's open-api/rest-catalog-open-api.yaml). The server writes metadata.json; we send
// changes with requirements and read back what the table became. Thread-safe.
//
// Why a commit is safe although the server compares only what the change requires:
// - Append and fence require the table's uuid and main's snapshot. Both always move main, so of two on one base one is refused, and a
//   request in flight cannot land behind a fence. Should main be set back by hand, the snapshot's sequence number is no longer above the
//   table's last, and it is refused for that.
// - The mark is a table property, but only an append changes it, together with main: what guards main guards the mark.
// - A schema change requires uuid, current schema and last field id: two that add columns at once cannot both take the same ids.
// - A schema change by somebody else between load and append is allowed to pass: the data files are those that an append just before it
//   would have left.
// Settling and sweeping send nothing.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "iceberg/catalog.h"
#include "net/http.h"

namespace sluice {

struct RestCatalogOptions {
  std::string uri;                                ///< "http://host:8181"; may have a path
  std::string warehouse;                          ///< as the server knows it; empty: its default
  std::map<std::string, std::string> properties;  ///< of catalog and store, by Iceberg's names; holds secrets
};

/// Asks the server for nothing yet: the first call does. `clock` must outlive the catalog. kInvalidInput names what does not fit.
Result<std::unique_ptr<Catalog>> make_rest_catalog(RestCatalogOptions options, std::unique_ptr<HttpClient> client, Clock& clock);

/// The same over a client of its own; `ssl.cabundle` names a PEM file to trust instead of the system's.
Result<std::unique_ptr<Catalog>> open_rest_catalog(RestCatalogOptions options, Clock& clock);

}  // namespace sluice
