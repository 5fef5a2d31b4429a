// Objects that nothing names any more, and that a store may fail to remove at this moment.
#pragma once

#include <vector>

#include "base/context.h"
#include "storage/object_store.h"

namespace sluice {

/// Removes the objects. Those that could not be removed stay in `keys`, to be tried again.
inline void remove_what_can_be(ObjectStore& store, std::vector<VersionedKey>& keys, Context& context) {
  const auto outcomes = store.remove(keys, context);
  if (!outcomes) return;
  keys.clear();
  for (const DeleteOutcome& outcome : *outcomes) {
    if (outcome.error) keys.push_back({outcome.key, ""});
  }
}

}  // namespace sluice
