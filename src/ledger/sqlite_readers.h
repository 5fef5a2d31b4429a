// The connections that questions to a SQLite ledger go through, side by side and beside its writes. Opening one reads the whole schema, a
// millisecond: one that is idle is used again. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "sql/sqlite.h"

namespace sluice {

class SqliteReaders {
 public:
  SqliteReaders(std::string path, SqliteOptions options) : path_(std::move(path)), options_(std::move(options)) {}

  struct GiveBack {
    SqliteReaders* readers;
    void operator()(SqliteConnection* connection) const { readers->give_back(std::unique_ptr<SqliteConnection>(connection)); }
  };
  /// Given back when it is destroyed; no statement of it may be open then.
  using Lent = std::unique_ptr<SqliteConnection, GiveBack>;

  /// The idle connection, or a new one; errors as SqliteConnection::open. Must not outlive this object.
  Result<Lent> lend();

 private:
  void give_back(std::unique_ptr<SqliteConnection> connection);

  const std::string path_;
  const SqliteOptions options_;
  std::mutex mutex_;
  std::unique_ptr<SqliteConnection> idle_;  // protected by mutex_
};

}  // namespace sluice
