// What every catalog must do, as tests over a factory: a new catalog joins by one INSTANTIATE_TEST_SUITE_P.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "iceberg/catalog.h"
#include "storage/memory_store.h"
#include "storage/stores.h"

namespace sluice {

/// Opens one more connection to the same catalog. Each test has a namespace of its own: a real server's catalog is not empty.
/// Warehouse: mem://lake, unless the catalog is a server that writes to one of its own.
struct CatalogUnderTest {
  std::string name;
  std::function<Result<std::unique_ptr<Catalog>>(const std::string& folder, StoreProvider& stores, Clock& clock)> open;
};

class CatalogConformance : public testing::TestWithParam<CatalogUnderTest> {
 protected:
  void SetUp() override;
  void TearDown() override;
  std::unique_ptr<Catalog> open();
  /// What the pipeline's commits are made of: requires uuid and main's snapshot of `base`, moves main, sets a property with it.
  TableChange move(const LoadedTable& base, const std::string& key, const std::string& value);

  std::string folder_;
  TableId table_;
  ManualClock clock_;
  MemoryStore store_{clock_};
  SingleStore stores_{store_};
  Context context_;
};

}  // namespace sluice
