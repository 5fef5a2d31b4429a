// A few connections to one PostgreSQL database, shared by threads. Transactions ride out a restart of the server: what was rolled back for
// want of a connection is run again on a fresh one. Thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sql/postgres.h"

namespace sluice {

inline constexpr int kPostgresConnectionsMax = 6;
/// How long an operation waits for the server to come back before kUnavailable; kCancelled as soon as PostgresOptions::stop is requested.
inline constexpr std::chrono::seconds kPostgresOutageMax{30};

class PostgresPool {
 public:
  using Body = std::function<Result<void>(PostgresConnection&)>;

  /// Connects once, without waiting for a server that is not there.
  static Result<std::unique_ptr<PostgresPool>> open(PostgresOptions options);

  /// PostgresConnection::transact. `body` runs again, from its beginning, after a rollback that it did not cause: the connection was lost,
  /// or the server chose it to end a deadlock.
  Result<void> write(const Body& body, PostgresDurability durability = PostgresDurability::kDurable);
  /// PostgresConnection::read_transact, in the same way.
  Result<void> read(const Body& body);
  /// `body` with one of the connections, outside a transaction, and once: what it returns is returned, an outage too.
  Result<void> use(const Body& body);

  const PostgresOptions& options() const { return options_; }
  const std::string& name() const { return name_; }

 private:
  explicit PostgresPool(PostgresOptions options) : options_(std::move(options)) {}

  using Attempt = std::function<Result<void>(PostgresConnection&)>;
  Result<void> until_answered(const Attempt& attempt);
  Result<std::unique_ptr<PostgresConnection>> take();
  void give_back(std::unique_ptr<PostgresConnection> connection);

  const PostgresOptions options_;
  std::string name_;  // constant after open
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<PostgresConnection>> idle_;  // protected by mutex_
  int open_ = 0;                                           // protected by mutex_: idle or in use
};

}  // namespace sluice
