// Ids as strong types around text, and where new ones come from. Thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace sluice {

/// Text that only compares with its own kind: an IngestionId is no BatchId.
template <class Tag>
struct Id {
  std::string text;

  Id() = default;
  explicit Id(std::string value) : text(std::move(value)) {}
  auto operator<=>(const Id&) const = default;
  bool empty() const { return text.empty(); }
};

using LedgerId = Id<struct LedgerTag>;        ///< made once per ledger
using IngestionId = Id<struct IngestionTag>;  ///< UUIDv7
using SourceId = Id<struct SourceTag>;        ///< label inside its ingestion ("live"), not a UUID
using RunId = Id<struct RunTag>;              ///< UUIDv7
using BatchId = Id<struct BatchTag>;          ///< UUIDv7
using WorkerId = Id<struct WorkerTag>;        ///< unique per process start: "host:pid:uuid"

/// A new UUIDv7 (RFC 9562): 36 characters, lower case, ordered by time of making.
std::string new_uuid();

/// 63 random bits, never 0: Iceberg snapshot ids.
int64_t new_snapshot_id();

}  // namespace sluice

template <class Tag>
struct std::hash<sluice::Id<Tag>> {
  size_t operator()(const sluice::Id<Tag>& id) const { return std::hash<std::string>()(id.text); }
};
