// Rules across the fields of an ingestion, whoever built it. Pure.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// The source of an ingestion that has one and does not name it.
inline constexpr const char* kOnlySourceId = "main";

/// Fills what follows from other fields (name, id of an only source) and checks the rest. kInvalidInput names the field.
Result<void> validate(Ingestion& ingestion);

/// `start_from: now` means the first time: takes the time over from the ingestion as the ledger knows it, else takes `now`.
void settle_start_from(Ingestion& ingestion, const std::optional<Ingestion>& known, Timestamp now);

}  // namespace sluice
