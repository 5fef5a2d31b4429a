// Transactions with three outcomes. A COMMIT whose answer is lost may have happened: each write transaction knows its number from its
// beginning, so that a fresh connection can ask for it.
//
//   ours                                 server
//   BEGIN; number, time     ->           the number is given out here, not at the first change: it costs no round trip of its own
//   statements
//   COMMIT                  ->   ...     connection lost
//   (fresh) end the session ->           it may not have noticed, and keep the transaction open
//           pg_xact_status  ->           committed: done       aborted: refused, nothing happened
//                                        in progress: the old session is about to end, ask again
//
// One trap: after a crash the server may give out a number again whose first owner left nothing on disk, so that "committed" may speak of
// somebody else. A commit that was acknowledged to nobody is then unknown. `life_` tells: the server's start, and when its statistics
// were reset, which every recovery from a crash does. "aborted" stays true in any case: what committed is on disk.
#include <fmt/format.h>
#include <libpq-fe.h>

#include "sql/postgres.h"

namespace sluice {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAskAgainFirst{20};
constexpr std::chrono::milliseconds kAskAgainMax{1000};

}  // namespace

Result<void> PostgresConnection::begin_write(PostgresDurability durability) {
  TRY_ASSIGN(const auto begun,
             perform(fmt::format("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}SELECT pg_current_xact_id()::text, "
                                 "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text",
                                 durability == PostgresDurability::kMayBeLost ? "SET LOCAL synchronous_commit = off; " : ""),
                     {}, true));
  in_transaction_ = true;
  transaction_ = PQgetvalue(begun.get(), 0, 0);
  begun_at_ = Timestamp{std::stoll(PQgetvalue(begun.get(), 0, 1))};
  return {};
}

Result<void> PostgresConnection::begin_read() {
  TRY(perform("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}, true));
  in_transaction_ = true;
  return {};
}

Result<void> PostgresConnection::commit(bool writes) {
  auto answer = perform("COMMIT", {}, true);
  if (answer) {
    in_transaction_ = false;
    if (std::string_view(PQcmdStatus(answer->get())) == "COMMIT") return {};
    return fail(ErrorCode::kInvalidInput, name_ + ": the transaction had failed before its commit");
  }
  if (!lost_ || !writes) return std::unexpected(answer.error().within("committing"));
  in_transaction_ = false;
  switch (settle()) {
    case Fate::kCommitted: return {};
    case Fate::kRolledBack:
      return fail(ErrorCode::kUnavailable, fmt::format("committing: {}; the transaction was rolled back", answer.error().message));
    case Fate::kUnknown: break;
  }
  return fail(ErrorCode::kOutcomeUnknown, fmt::format("committing: {}; what became of it could not be found out", answer.error().message));
}

PostgresConnection::Fate PostgresConnection::settle() {
  const auto deadline = steady_clock::now() + kPostgresOutcomeTimeout;
  SystemClock clock;
  for (auto wait = kAskAgainFirst; steady_clock::now() < deadline; wait = std::min(wait * 2, kAskAgainMax)) {
    auto fresh = open(options_);
    if (fresh) {
      (*fresh)->end_session(session_);
      const auto fate = (*fresh)->fate_of(transaction_, life_);
      if (fate && *fate != Fate::kUnknown) return *fate;
      if (fate && (*fresh)->life_ != life_) return Fate::kUnknown;
    } else if (fresh.error().code != ErrorCode::kUnavailable) {
      return Fate::kUnknown;
    }
    if (!clock.sleep(wait, options_.stop)) break;
  }
  return Fate::kUnknown;
}

void PostgresConnection::end_session(const PostgresSession& session) {
  static_cast<void>(
      query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ? AND backend_start = CAST(? AS timestamptz) "
            "AND pid <> pg_backend_pid()",
            session.process, session.began));
}

/// kUnknown while it is in progress, too.
Result<PostgresConnection::Fate> PostgresConnection::fate_of(const std::string& transaction, const std::string& life) {
  TRY_ASSIGN(const auto newest, query_text("SELECT pg_current_xact_id()::text"));
  // Every number given out before is smaller: the server forgot ours in a crash, with all that it had done.
  if (newest && std::stoull(*newest) < std::stoull(transaction)) return Fate::kRolledBack;
  auto status = query_text("SELECT pg_xact_status(CAST(? AS xid8))", transaction);
  if (!status) return std::unexpected(status.error());
  if (*status == "aborted") return Fate::kRolledBack;
  if (*status == "committed" && life_ == life) return Fate::kCommitted;
  return Fate::kUnknown;
}

void PostgresConnection::rollback() {
  if (!in_transaction_) return;
  in_transaction_ = false;
  if (lost_) return;
  // Why the body failed is what should_run_again() speaks of.
  const bool run_again = run_again_;
  if (!perform("ROLLBACK", {}, true)) lost_ = true;
  run_again_ = run_again;
}

}  // namespace sluice
