#include "sql/postgres.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <thread>

#include "sql/migrations.h"
#include "sql/postgres_pool.h"
#include "sql/postgres_test_database.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

// With its end: "READ COMMITTED" begins a transaction.
constexpr std::string_view kCommit("COMMIT\0", 7);

/// Stands between a client and the server, and cuts the connection at the first COMMIT it sees.
class CuttingProxy {
 public:
  enum class Cut { kNever, kBeforeCommit, kAfterCommit };

  /// `server`: a URI with a numeric IPv4 host and a port.
  explicit CuttingProxy(const std::string& server) {
    const size_t begin = server.rfind('@') == std::string::npos ? server.find("//") + 2 : server.rfind('@') + 1;
    const size_t colon = server.find(':', begin);
    upstream_.sin_family = AF_INET;
    upstream_.sin_port = htons(static_cast<uint16_t>(std::stoi(server.substr(colon + 1))));
    inet_pton(AF_INET, server.substr(begin, colon - begin).c_str(), &upstream_.sin_addr);
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&here), sizeof here);
    listen(listener_, 16);
    socklen_t length = sizeof here;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &length);
    address_ = "127.0.0.1:" + std::to_string(ntohs(here.sin_port));
    acceptor_ = std::jthread([this](std::stop_token stop) { accept_until(stop); });
  }
  ~CuttingProxy() {
    acceptor_.request_stop();
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    sessions_.clear();
    close(listener_);
  }

  const std::string& address() const { return address_; }
  void cut(Cut when) { cut_ = when; }

 private:
  void accept_until(std::stop_token stop) {
    while (!stop.stop_requested()) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      sessions_.emplace_back([this, client](std::stop_token ended) { serve(client, ended); });
    }
  }

  void serve(int client, std::stop_token stop) {
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    connect(server, reinterpret_cast<sockaddr*>(&upstream_), sizeof upstream_);
    bool swallow = false;
    char bytes[65536];
    while (!stop.stop_requested()) {
      pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (poll(both, 2, 20) <= 0) continue;
      if (both[0].revents != 0) {
        const ssize_t got = read(client, bytes, sizeof bytes);
        if (got <= 0) break;
        if (cut_ != Cut::kNever && std::string_view(bytes, static_cast<size_t>(got)).find(kCommit) != std::string_view::npos) {
          if (cut_.exchange(Cut::kNever) == Cut::kBeforeCommit) break;
          swallow = true;
        }
        if (write(server, bytes, static_cast<size_t>(got)) < 0) break;
      }
      if (both[1].revents != 0) {
        const ssize_t got = read(server, bytes, sizeof bytes);
        if (got <= 0 || swallow) break;  // carried out, and its answer lost
        if (write(client, bytes, static_cast<size_t>(got)) < 0) break;
      }
    }
    close(client);
    close(server);
  }

  sockaddr_in upstream_{};
  int listener_ = -1;
  std::string address_;
  std::atomic<Cut> cut_ = Cut::kNever;
  std::vector<std::jthread> sessions_;
  std::jthread acceptor_;
};

class PostgresTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = PostgresTestDatabase::make();
    if (database_ == nullptr) GTEST_SKIP() << "no server";
    db_ = database_->connect();
    ASSERT_TRUE(db_->run_script("CREATE TABLE t (a bigint UNIQUE, b text)"));
  }
  Result<int64_t> insert(SqlConnection& db, int64_t a) { return db.execute("INSERT INTO t (a) VALUES (?)", a); }
  int64_t count() { return db_->query_integer("SELECT count(*) FROM t").value().value(); }

  std::unique_ptr<PostgresTestDatabase> database_;
  std::unique_ptr<PostgresConnection> db_;
};

// Prevents: values that come back as others, and text that PostgreSQL cannot hold failing a whole batch.
TEST_F(PostgresTest, RoundTripsEveryKindOfValue) {
  ASSERT_TRUE(db_->run_script("CREATE TABLE v (a bigint, b text, c float8, d bigint, e text, f boolean, g timestamptz)"));
  ASSERT_TRUE(db_->execute("INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?)", INT64_MIN, "it's ?1 \"x\" \\", 0.5, std::optional<int64_t>(),
                           std::string_view(), true, "2026-03-02T08:00:00.000001Z"));
  auto rows = db_->query("SELECT *, '?' FROM v WHERE b = ?", "it's ?1 \"x\" \\").value();
  ASSERT_TRUE(rows.next().value());
  EXPECT_EQ(rows.integer(0), INT64_MIN);
  EXPECT_EQ(rows.real(2), 0.5);
  EXPECT_EQ(rows.optional_integer(3), std::nullopt);
  EXPECT_EQ(rows.optional_text(4), "");
  EXPECT_EQ(rows.integer(5), 1);
  EXPECT_EQ(rows.time(6), parse_timestamp("2026-03-02T08:00:00.000001Z"));
  EXPECT_EQ(rows.text(7), "?");
  EXPECT_EQ(db_->query_text("SELECT ?::text", std::string_view("a\0b\xff\xc3\xa4", 6)).value(), "a\\x00b\\xFF\xc3\xa4");
}

// Prevents: a name with quotes, braces or the word NULL becoming two names or none.
TEST_F(PostgresTest, ArraysKeepEveryText) {
  const std::vector<std::string> texts = {"plain", "", "a,b", "{x}", "say \"hi\"", "back\\slash", "NULL", " space "};
  PostgresArray array;
  for (const auto& text : texts) array.add(text);
  array.add_null();
  auto rows = db_->query("SELECT n FROM unnest(CAST(? AS text[])) WITH ORDINALITY AS u (n, i) ORDER BY i", array.text()).value();
  for (const auto& text : texts) {
    ASSERT_TRUE(rows.next().value());
    EXPECT_EQ(rows.optional_text(0), text);
  }
  ASSERT_TRUE(rows.next().value());
  EXPECT_TRUE(rows.is_null(0));
}

// Prevents: a failed transaction that leaves its first half behind, or stays open and blocks the next.
TEST_F(PostgresTest, RollsBackWhatItsBodyRefuses) {
  const auto refused = db_->transact([&]() -> Result<void> {
    TRY(insert(*db_, 1));
    TRY(insert(*db_, 1));
    return {};
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(count(), 0);
  ASSERT_TRUE(db_->transact([&] { return insert(*db_, 1); }));
  EXPECT_EQ(count(), 1);
}

// Prevents: a commit that was carried out and whose answer got lost being reported as failed, and done again.
TEST_F(PostgresTest, ALostAnswerToACommitIsFoundOut) {
  CuttingProxy proxy(database_->server());
  auto db = PostgresTestDatabase::connect(database_->uri_over(proxy.address()));
  proxy.cut(CuttingProxy::Cut::kAfterCommit);
  const auto done = db->transact([&] { return insert(*db, 1); });
  EXPECT_TRUE(done.has_value()) << done.error().message;
  EXPECT_TRUE(db->lost());
  EXPECT_EQ(count(), 1);
}

// Prevents: a commit that never reached the server being reported as done, or as unknown.
TEST_F(PostgresTest, ACommitThatDidNotArriveIsRefused) {
  CuttingProxy proxy(database_->server());
  auto db = PostgresTestDatabase::connect(database_->uri_over(proxy.address()));
  proxy.cut(CuttingProxy::Cut::kBeforeCommit);
  const auto done = db->transact([&] { return insert(*db, 1); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(done.error().message, HasSubstr("rolled back"));
  EXPECT_EQ(count(), 0);
}

// Prevents: a run that fails because the server closed a connection, or that writes twice because of it.
TEST_F(PostgresTest, APoolRunsAgainWhatWasRolledBack) {
  CuttingProxy proxy(database_->server());
  const std::string name = new_uuid();
  auto pool = PostgresPool::open({.uri = database_->uri_over(proxy.address()) + "&application_name=" + name}).value();
  for (const auto cut : {CuttingProxy::Cut::kBeforeCommit, CuttingProxy::Cut::kAfterCommit, CuttingProxy::Cut::kNever}) {
    proxy.cut(cut);
    const int64_t before = count();
    ASSERT_TRUE(pool->write([&](PostgresConnection& db) -> Result<void> {
      TRY(insert(db, before));
      return {};
    }));
    EXPECT_EQ(count(), before + 1);
  }
  // The server ends every session of the pool, as a restart does.
  ASSERT_TRUE(db_->query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?", name));
  EXPECT_TRUE(pool->read([&](PostgresConnection& db) -> Result<void> {
    TRY(db.query_integer("SELECT 1"));
    return {};
  }));
}

// Prevents: a program that does not heed SIGTERM because its database is away, and a stop that is reported as a failure of the server.
TEST_F(PostgresTest, APoolDoesNotWaitForAServerOnceStopped) {
  std::stop_source stop;
  std::optional<CuttingProxy> proxy(std::in_place, database_->server());
  auto pool = PostgresPool::open({.uri = database_->uri_over(proxy->address()), .stop = stop.get_token()}).value();
  stop.request_stop();
  const auto read = [&] {
    return pool->read([](PostgresConnection& db) -> Result<void> {
      TRY(db.query_integer("SELECT 1"));
      return {};
    });
  };
  EXPECT_TRUE(read());  // a server that is there gets work in hand to its end
  proxy.reset();
  const auto stopped = read();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(stopped.error().message, HasSubstr("stopped on request"));
}

// Prevents: two workers that lock the same rows in different orders failing one another's runs.
TEST_F(PostgresTest, APoolRunsAgainAfterADeadlock) {
  ASSERT_TRUE(db_->run_script("INSERT INTO t VALUES (1, ''), (2, '')"));
  auto pool = PostgresPool::open({.uri = database_->uri()}).value();
  std::latch both(2);
  std::atomic<int> tries = 0;
  const auto update = [&](int64_t first, int64_t second) {
    bool met = false;
    const auto done = pool->write([&](PostgresConnection& db) -> Result<void> {
      ++tries;
      TRY(db.execute("UPDATE t SET b = b || 'x' WHERE a = ?", first));
      if (!std::exchange(met, true)) both.arrive_and_wait();
      TRY(db.execute("UPDATE t SET b = b || 'x' WHERE a = ?", second));
      return {};
    });
    EXPECT_TRUE(done.has_value()) << done.error().message;
  };
  {
    std::jthread one([&] { update(1, 2); });
    std::jthread two([&] { update(2, 1); });
  }
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(db_->query_text("SELECT string_agg(b, '') FROM t").value(), "xxxx");
}

// Prevents: a wrong password treated as an outage and waited out; passwords in messages.
TEST_F(PostgresTest, SaysWhatIsWrongWithoutSecrets) {
  for (const std::string uri :
       {"postgresql://u:hunter2@127.0.0.1:1/db", "postgresql://u:hun%zzter2@h/db", "postgresql://u:hunter2@h:x/db"}) {
    const auto opened = PostgresConnection::open({.uri = uri});
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, Not(HasSubstr("hun")));
  }
  EXPECT_EQ(PostgresConnection::open({.uri = "postgresql://127.0.0.1:1/db"}).error().code, ErrorCode::kUnavailable);
  const std::string missing = database_->server().substr(0, database_->server().rfind('/')) + "/no_such_database";
  EXPECT_EQ(PostgresConnection::open({.uri = missing}).error().code, ErrorCode::kInvalidInput);
  EXPECT_EQ(postgres_name("postgresql://u:p@h:5432/db?sslmode=disable").value(), "postgresql://h/db");
}

// Prevents: an older program working on tables whose meaning changed; two programs that make the tables at once failing; another
// program's schema_migrations taken for ours.
TEST_F(PostgresTest, MigratesOnceAndKnowsItsOwnTables) {
  const Migration steps[] = {{1, "first", "CREATE TABLE m (a bigint)"}, {2, "second", "ALTER TABLE m ADD COLUMN b text"}};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const auto migrated = migrate(*database_->connect(), steps, "2026-11-21T00:00:00Z");
        EXPECT_TRUE(migrated.has_value()) << migrated.error().message;
      });
    }
  }
  EXPECT_EQ(db_->query_integer("SELECT count(*) FROM schema_migrations").value(), 2);
  EXPECT_THAT(migrate(*db_, std::span(steps, 1), "now").error().message, HasSubstr("newer program"));
  ASSERT_TRUE(db_->run_script("DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version text)"));
  EXPECT_THAT(migrate(*db_, steps, "now").error().message, HasSubstr("another program's"));
}

}  // namespace
}  // namespace sluice
