#include "sql/postgres_pool.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTryAgainFirst{5};
constexpr milliseconds kTryAgainMax{1000};
constexpr int kDeadlocksMax = 20;

}  // namespace

Result<std::unique_ptr<PostgresPool>> PostgresPool::open(PostgresOptions options) {
  std::unique_ptr<PostgresPool> pool(new PostgresPool(std::move(options)));
  TRY_ASSIGN(auto first, PostgresConnection::open(pool->options_));
  pool->name_ = first->name();
  pool->open_ = 1;
  pool->idle_.push_back(std::move(first));
  return pool;
}

Result<std::unique_ptr<PostgresConnection>> PostgresPool::take() {
  {
    std::unique_lock lock(mutex_);
    const auto free = [&] { return !idle_.empty() || open_ < kPostgresConnectionsMax; };
    if (!returned_.wait_for(lock, kPostgresStatementTimeout, free)) {
      return fail(ErrorCode::kUnavailable, fmt::format("{}: all {} connections are at work", name_, kPostgresConnectionsMax));
    }
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->seems_alive()) return connection;
      --open_;
    }
    ++open_;
  }
  auto fresh = PostgresConnection::open(options_);
  if (!fresh) give_back(nullptr);
  return fresh;
}

void PostgresPool::give_back(std::unique_ptr<PostgresConnection> connection) {
  {
    std::lock_guard lock(mutex_);
    if (connection == nullptr || connection->lost()) {
      --open_;
    } else {
      idle_.push_back(std::move(connection));
    }
  }
  returned_.notify_one();
}

Result<void> PostgresPool::until_answered(const Attempt& attempt) {
  const auto deadline = steady_clock::now() + kPostgresOutageMax;
  SystemClock clock;
  auto wait = kTryAgainFirst;
  std::optional<PostgresSession> lost;
  for (int deadlocks = 0;; wait = std::min(wait * 2, kTryAgainMax)) {
    Result<void> answer;
    auto connection = take();
    bool again = false;
    if (connection) {
      if (lost) (*connection)->end_session(*std::exchange(lost, std::nullopt));
      answer = attempt(**connection);
      if ((*connection)->lost()) lost = (*connection)->session();
      const bool deadlock = !answer && (*connection)->should_run_again() && ++deadlocks <= kDeadlocksMax;
      again = !answer && answer.error().code != ErrorCode::kOutcomeUnknown && ((*connection)->lost() || deadlock);
      give_back(*std::move(connection));
    } else {
      answer = std::unexpected(connection.error());
      again = answer.error().code == ErrorCode::kUnavailable;
    }
    if (!again || steady_clock::now() + wait > deadline) return answer;
    if (!clock.sleep(wait, options_.stop)) {
      return fail(ErrorCode::kCancelled, fmt::format("{}; stopped on request", answer.error().message));
    }
  }
}

Result<void> PostgresPool::write(const Body& body, PostgresDurability durability) {
  return until_answered([&](PostgresConnection& db) { return db.transact([&] { return body(db); }, durability); });
}

Result<void> PostgresPool::read(const Body& body) {
  return until_answered([&](PostgresConnection& db) { return db.read_transact([&] { return body(db); }); });
}

Result<void> PostgresPool::use(const Body& body) {
  TRY_ASSIGN(auto connection, take());
  auto answer = body(*connection);
  give_back(std::move(connection));
  return answer;
}

}  // namespace sluice
