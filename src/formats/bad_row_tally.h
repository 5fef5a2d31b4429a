// How many rows of one file were bad, and whether that is too many. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "formats/format.h"
#include "model/ingestion.h"

namespace sluice {

/// Of a bad row that is kept.
inline constexpr size_t kBadRowTextBytesMax = 64 * kKiB;
/// A block is handed over with this many bad rows though it is not full: they hold up to kBadRowTextBytesMax each.
inline constexpr size_t kBadRowsPerBlockMax = 256;

/// Of a bad row that ends its file, as none is allowed: what would let the other rows in. Not of errors that no row has, which nothing
/// allows.
Error not_allowed(Error fault);

class BadRowTally {
 public:
  explicit BadRowTally(const BadRows& allowed) : allowed_(allowed) {}

  /// Puts the row into the block, or is the error that ends the file: none allowed, or more than allowed. `fault` names the place.
  Result<void> add(Error fault, BadRow row, RowBlock& block);
  /// At the end of the file: the limit in percent of all rows.
  Result<void> check_percentage(int64_t good_rows) const;
  int64_t count() const { return count_; }

 private:
  const BadRows allowed_;
  int64_t count_ = 0;
  Error first_;
};

}  // namespace sluice
