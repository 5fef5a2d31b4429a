// A schema of its own in the PostgreSQL database of SLUICE_TEST_POSTGRES, gone at the end: tests run beside one another and leave nothing.
// Tests only.
#pragma once

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/ids.h"
#include "sql/postgres.h"

namespace sluice {

class PostgresTestDatabase {
 public:
  /// Null: no server for tests.
  static std::unique_ptr<PostgresTestDatabase> make() {
    const char* server = std::getenv("SLUICE_TEST_POSTGRES");
    if (server == nullptr || *server == '\0') return nullptr;
    return std::unique_ptr<PostgresTestDatabase>(new PostgresTestDatabase(server));
  }
  ~PostgresTestDatabase() { run("DROP SCHEMA IF EXISTS \"" + schema_ + "\" CASCADE"); }
  PostgresTestDatabase(const PostgresTestDatabase&) = delete;
  PostgresTestDatabase& operator=(const PostgresTestDatabase&) = delete;

  /// Names the schema as the only one.
  std::string uri() const { return at(server_); }
  /// The same through another address, "127.0.0.1:1234".
  std::string uri_over(const std::string& host_and_port) const {
    const size_t end = server_.find('/', server_.find("//") + 2), user = server_.rfind('@', end);
    const size_t begin = user == std::string::npos ? server_.find("//") + 2 : user + 1;
    return at(server_.substr(0, begin) + host_and_port + server_.substr(end));
  }
  const std::string& server() const { return server_; }

  std::unique_ptr<PostgresConnection> connect() const { return connect(uri()); }
  static std::unique_ptr<PostgresConnection> connect(const std::string& uri) {
    auto opened = PostgresConnection::open({.uri = uri});
    if (!opened) throw std::runtime_error(opened.error().message);
    return *std::move(opened);
  }

 private:
  explicit PostgresTestDatabase(std::string server) : server_(std::move(server)), schema_("test-" + new_uuid()) {
    run("CREATE SCHEMA \"" + schema_ + "\"");
  }

  std::string at(const std::string& uri) const {
    return uri + (uri.find('?') == std::string::npos ? "?" : "&") + "options=-csearch_path%3D%22" + schema_ + "%22";
  }
  void run(const std::string& sql) const {
    if (auto done = connect(server_)->run_script(sql); !done) throw std::runtime_error(done.error().message);
  }

  const std::string server_;
  const std::string schema_;
};

}  // namespace sluice
