#include "ledger/postgres_ledger.h"

#include <gtest/gtest.h>

#include "ledger/ledger_conformance.h"
#include "ledger/ledger_walk.h"
#include "ledger/service_conformance.h"
#include "sql/postgres_test_database.h"

namespace sluice {
namespace {

class PostgresHandle final : public LedgerHandle {
 public:
  explicit PostgresHandle(std::unique_ptr<PostgresLedger> ledger) : ledger_(std::move(ledger)) {}
  WorkLedger& work() override { return *ledger_; }
  Registry& registry() override { return *ledger_; }
  RunQueue& queue() override { return *ledger_; }
  ServiceRecords& service() override { return *ledger_; }
  History& history() override { return *ledger_; }

 private:
  std::unique_ptr<PostgresLedger> ledger_;
};

class PostgresWorld final : public LedgerWorld {
 public:
  explicit PostgresWorld(std::unique_ptr<PostgresTestDatabase> database) : database_(std::move(database)) {}
  std::unique_ptr<LedgerHandle> open(const WorkerId& worker) override {
    return std::make_unique<PostgresHandle>(must(PostgresLedger::open(database_->uri(), worker, clock(), LedgerTime::kGiven)));
  }
  int walk_steps() const override { return 60; }  // each asks a server some twenty times

 private:
  const std::unique_ptr<PostgresTestDatabase> database_;
};

std::unique_ptr<LedgerWorld> make_postgres_world() {
  auto database = PostgresTestDatabase::make();
  return database == nullptr ? nullptr : std::make_unique<PostgresWorld>(std::move(database));
}

INSTANTIATE_TEST_SUITE_P(Postgres, LedgerConformance, testing::Values(make_postgres_world),
                         [](const auto&) { return std::string("Ledger"); });
INSTANTIATE_TEST_SUITE_P(Postgres, ServiceConformance, testing::Values(make_postgres_world),
                         [](const auto&) { return std::string("Ledger"); });
INSTANTIATE_TEST_SUITE_P(Postgres, LedgerWalk, testing::Values(make_postgres_world), [](const auto&) { return std::string("Ledger"); });

}  // namespace
}  // namespace sluice
