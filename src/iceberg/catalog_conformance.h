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

/// Opens one more connection to the same, at first empty, catalog. Warehouse: mem://lake.
struct CatalogUnderTest {
  std::string name;
  std::function<Result<std::unique_ptr<Catalog>>(const std::string& folder, StoreProvider& stores, Clock& clock)> open;
};

class CatalogConformance : public testing::TestWithParam<CatalogUnderTest> {
 protected:
  void SetUp() override;
  void TearDown() override;
  std::unique_ptr<Catalog> open();

  std::string folder_;
  ManualClock clock_;
  MemoryStore store_{clock_};
  SingleStore stores_{store_};
  Context context_;
};

}  // namespace sluice
