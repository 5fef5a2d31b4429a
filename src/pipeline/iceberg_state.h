// The whole loaded table behind a TargetState of the Iceberg sink.
#pragma once

#include <utility>

#include "iceberg/catalog.h"
#include "pipeline/sink.h"

namespace sluice {

struct IcebergState final : LoadedState {
  explicit IcebergState(LoadedTable loaded) : table(std::move(loaded)) {}
  const LoadedTable table;
};

inline const LoadedTable& loaded(const TargetState& state) { return static_cast<const IcebergState&>(*state.loaded).table; }

}  // namespace sluice
