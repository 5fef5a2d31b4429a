// One connection to a PostgreSQL primary, over libpq: typed statements, transactions with three outcomes, time limits that hold when the
// server falls silent. Not thread-safe (PostgresPool is). Knows no table.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "sql/sql_connection.h"

struct pg_conn;
struct pg_result;

namespace sluice {

inline constexpr std::chrono::seconds kPostgresConnectTimeout{10};
/// To connect, and for an answer, once a stop was requested: a server that is there gets work in hand to its end.
inline constexpr std::chrono::seconds kPostgresStopTimeout{3};
/// A statement that takes longer is cancelled by the server; kPostgresSilenceMax later we give up on the server itself.
inline constexpr std::chrono::seconds kPostgresStatementTimeout{120};
inline constexpr std::chrono::seconds kPostgresLockTimeout{60};
inline constexpr std::chrono::seconds kPostgresSilenceMax{15};
/// How long to look for the outcome of a commit whose answer was lost.
inline constexpr std::chrono::seconds kPostgresOutcomeTimeout{30};

struct PostgresOptions {
  /// postgresql://[user[:password]@]host[,host...][:port]/database[?param=value]. What it leaves out comes from PGHOST, PGUSER, PGPASSWORD,
  /// the password file and so on, as with psql.
  std::string uri;
  /// For reads that take as long as somebody else does: no server-side limits on a transaction that waits for its client.
  bool patient = false;
  /// Once it is requested, nobody waits any longer for a server that is away.
  std::stop_token stop = {};
};

bool is_postgres_uri(std::string_view uri);
/// What may be shown and stored: "postgresql://host:port/database", without user, password and parameters; a database is the same whoever
/// logs in. kInvalidInput: no such URI; the message does not repeat it, for it may hold a password.
Result<std::string> postgres_name(const std::string& uri);

/// A PostgreSQL array as one text parameter ("{...}"), for `unnest`.
class PostgresArray {
 public:
  void add(std::string_view text);
  void add(int64_t number);
  void add_null();
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(const std::optional<std::string>& text) { text ? add(std::string_view(*text)) : add_null(); }
  std::string text() const { return "{" + items_ + "}"; }

 private:
  void begin_item();
  std::string items_;
};

struct PostgresResultDeleter {
  void operator()(pg_result* result) const;
};
using PostgresResult = std::unique_ptr<pg_result, PostgresResultDeleter>;

/// A session of the server, told apart from a later one with its process number.
struct PostgresSession {
  int64_t process = 0;
  std::string began;
};

enum class PostgresDurability {
  kDurable,    ///< acknowledged: on disk
  kMayBeLost,  ///< synchronous_commit = off: a server crash may undo the last moments
};

/// Errors: kUnavailable: unreachable, silent, restarting, full or a lock not had in time: nothing of the transaction happened; kConflict: a
/// constraint refused it; kInvalidInput: wrong user, password, database or rights, or SQL that does not fit; kCorruption: the server says
/// its data is damaged; kOutcomeUnknown: from commit only, see there.
/// Text that PostgreSQL cannot hold (bytes that are no UTF-8, and zero bytes) is written as \xHH.
class PostgresConnection final : public SqlConnection {
 public:
  /// Refuses a standby (kUnavailable: it may be about to take over): decisions rest on what the primary says.
  static Result<std::unique_ptr<PostgresConnection>> open(const PostgresOptions& options);
  ~PostgresConnection() override;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  const std::string& name() const override { return name_; }
  const SqlDialect& dialect() const override;
  Result<void> run_script(const std::string& sql) override;

  /// Runs `body` (returns a Result) in a READ COMMITTED transaction; rows that it decides upon it must lock. An error of body rolls back
  /// and is returned. When the answer to COMMIT is lost, the server is asked on a fresh connection what became of the transaction.
  /// kUnavailable: it was rolled back. kOutcomeUnknown: nobody could tell within kPostgresOutcomeTimeout, or the server crashed in between
  /// (a transaction number that did not reach its disk may be given out again).
  template <class F>
  auto transact(F&& body, PostgresDurability durability = PostgresDurability::kDurable) -> std::invoke_result_t<F> {
    TRY(begin_write(durability));
    return finish(std::forward<F>(body), true);
  }
  /// For reads that see one state, taken by the first of them.
  template <class F>
  auto read_transact(F&& body) -> std::invoke_result_t<F> {
    TRY(begin_read());
    return finish(std::forward<F>(body), false);
  }

  /// The server's time when the present (or last) write transaction began.
  Timestamp begun_at() const { return begun_at_; }
  const PostgresSession& session() const { return session_; }
  /// Ends a session of ours whose connection was lost: where the server has not noticed that yet, it would keep its locks and leave its
  /// transaction open. What it was committing is committed or rolled back after this, never in between. Best effort.
  void end_session(const PostgresSession& session);
  /// The connection is of no more use.
  bool lost() const { return lost_; }
  /// Looks at the socket without waiting: whether the server has closed it.
  bool seems_alive();
  /// The last failure was a deadlock or a serialization failure: the same transaction may go through if it is run again.
  bool should_run_again() const { return run_again_; }
  /// For poll(): readable when the server said something unasked (it is going away). -1: lost.
  int socket() const;

 protected:
  Result<int64_t> execute_params(std::string_view sql, const SqlParam* params, size_t count) override;
  Result<std::unique_ptr<SqlCursor>> open_cursor(std::string_view sql, const SqlParam* params, size_t count) override;

 private:
  enum class Fate { kCommitted, kRolledBack, kUnknown };

  // Rolls back unless the transaction has ended, also when the body throws.
  class Transaction {
   public:
    explicit Transaction(PostgresConnection& connection) : connection_(connection) {}
    ~Transaction() { connection_.rollback(); }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

   private:
    PostgresConnection& connection_;
  };

  PostgresConnection(pg_conn* handle, PostgresOptions options, std::string name)
      : handle_(handle), options_(std::move(options)), name_(std::move(name)) {}

  template <class F>
  auto finish(F&& body, bool writes) -> std::invoke_result_t<F> {
    Transaction transaction(*this);
    auto result = body();
    if (result) TRY(commit(writes));
    return result;
  }

  Result<void> configure();
  Result<void> begin_write(PostgresDurability durability);
  Result<void> begin_read();
  Result<void> commit(bool writes);
  void rollback();
  Result<Fate> fate_of(const std::string& transaction, const std::string& life);
  Fate settle();

  /// One statement with parameters, or a script without; the last result.
  Result<PostgresResult> perform(const std::string& sql, std::span<const std::optional<std::string>> params, bool script);
  Result<void> wait_for_answer(std::chrono::steady_clock::time_point deadline);
  Result<PostgresResult> checked(PostgresResult result);
  Error lose(std::string_view why);
  std::string last_words() const;

  pg_conn* handle_;
  const PostgresOptions options_;
  const std::string name_;
  PostgresSession session_;
  std::string life_;         // of the server between two crashes or restarts
  std::string transaction_;  // number of the present write transaction
  Timestamp begun_at_;
  bool in_transaction_ = false;
  bool lost_ = false;
  bool run_again_ = false;
};

}  // namespace sluice
