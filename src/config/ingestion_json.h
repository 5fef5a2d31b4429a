// The body of POST /ingestions -> Ingestion: the same keys as in sluice.yaml, read by the same code, beside bucket, path and file_pattern.
// Pure.
#pragma once

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// What stands for a secret in everything that is shown, and in a PATCH for "as it was".
inline constexpr const char* kHidden = "***";

/// `body` fits the schema IngestionRequest. The ingestion carries the body without its secrets (Ingestion::request). `before`: the
/// ingestion that a PATCH changes, with its secrets, or null: its secrets are used where the body says kHidden. kInvalidInput: names the
/// field. `catalogs` are those there are. Id, tenant and status are left to the caller.
Result<Ingestion> ingestion_from_request(const nlohmann::json& body, std::span<const std::string> catalogs, const Ingestion* before);

/// A PATCH: `changes` laid over the stored body. Maps merge key by key, everything else is replaced, null removes.
nlohmann::json patched(const Ingestion& ingestion, const nlohmann::json& changes);

}  // namespace sluice
