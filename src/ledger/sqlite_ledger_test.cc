#include "ledger/sqlite_ledger.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

class TempFolder {
 public:
  TempFolder() {
    path_ = testing::TempDir() + "ledger_test_XXXXXX";
    mkdtemp(path_.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class SqliteHandle final : public LedgerHandle {
 public:
  explicit SqliteHandle(std::unique_ptr<SqliteLedger> ledger) : ledger_(std::move(ledger)) {}
  WorkLedger& work() override { return *ledger_; }
  Registry& registry() override { return *ledger_; }
  History& history() override { return *ledger_; }

 private:
  std::unique_ptr<SqliteLedger> ledger_;
};

class SqliteWorld final : public LedgerWorld {
 public:
  std::unique_ptr<LedgerHandle> open(const WorkerId& worker) override {
    return std::make_unique<SqliteHandle>(must(SqliteLedger::open(folder_.file("ledger.db"), worker, clock())));
  }

 private:
  TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerConformance, testing::Values([] { return std::make_unique<SqliteWorld>(); }),
                         [](const auto&) { return std::string("Ledger"); });

}  // namespace
}  // namespace sluice
