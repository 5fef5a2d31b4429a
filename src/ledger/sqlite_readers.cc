#include "ledger/sqlite_readers.h"

namespace sluice {

Result<SqliteReaders::Lent> SqliteReaders::lend() {
  {
    std::lock_guard guard(mutex_);
    if (idle_ != nullptr) return Lent(idle_.release(), {this});
  }
  TRY_ASSIGN(auto fresh, SqliteConnection::open(path_, options_));
  return Lent(fresh.release(), {this});
}

void SqliteReaders::give_back(std::unique_ptr<SqliteConnection> connection) {
  connection->release_memory();
  std::lock_guard guard(mutex_);
  if (idle_ == nullptr) idle_ = std::move(connection);
}

}  // namespace sluice
