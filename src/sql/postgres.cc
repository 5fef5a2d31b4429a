#include "sql/postgres.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <utility>

#include "base/utf8.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr SqlDialect kPostgresDialect = {
    .lock_rows = " FOR NO KEY UPDATE",
    .lock_rows_alone = " FOR UPDATE",
    .lock_free_rows = " FOR NO KEY UPDATE SKIP LOCKED",
    .numbers_in_list = "(SELECT value::bigint FROM json_array_elements_text(CAST({} AS json)))",
    .list_with_text = "{0} || jsonb_build_array({1}::text)",
    .list_with_number = "{0} || jsonb_build_array({1}::bigint)",
};

constexpr milliseconds kLookForStopEvery{200};
constexpr int kOldestVersion = 130'000;  // pg_current_xact_id and pg_xact_status
constexpr size_t kMessageBytesMax = 2000;

/// "?" and "?7" become "$1", "$7"; what stands in quotes stays.
std::string with_dollars(std::string_view sql) {
  std::string out;
  out.reserve(sql.size() + 16);
  int next = 0;
  bool quoted = false;
  for (size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\'') quoted = !quoted;
    if (sql[i] != '?' || quoted) {
      out += sql[i];
      continue;
    }
    out += '$';
    if (i + 1 < sql.size() && sql[i + 1] >= '0' && sql[i + 1] <= '9') continue;
    out += std::to_string(++next);
  }
  return out;
}

/// Text as PostgreSQL can hold it.
std::string storable(std::string_view text) {
  if (is_utf8(text) && text.find('\0') == std::string_view::npos) return std::string(text);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (point.valid && point.value != 0) {
      out += text.substr(at, point.length);
    } else {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(text[at]));
    }
    at += point.length;
  }
  return out;
}

std::optional<std::string> as_text(const SqlParam& param) {
  if (const auto* integer = std::get_if<int64_t>(&param.value())) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<double>(&param.value())) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string_view>(&param.value())) return storable(*text);
  return std::nullopt;
}

struct Meaning {
  std::string_view sqlstate;  // its beginning
  ErrorCode code;
  std::string_view way_out;
};

// The first that fits.
constexpr Meaning kMeanings[] = {
    {"23", ErrorCode::kConflict, ""},
    {"40", ErrorCode::kUnavailable, ""},
    {"55P03", ErrorCode::kUnavailable, "; another process holds what we need: try again later"},
    {"57014", ErrorCode::kUnavailable, "; the server cancelled it after its time limit: try again later"},
    {"57", ErrorCode::kUnavailable, ""},
    {"08", ErrorCode::kUnavailable, ""},
    {"53", ErrorCode::kUnavailable, "; the server lacks room, memory or connections"},
    {"25006", ErrorCode::kUnavailable, "; the server only allows reading: is it a standby?"},
    {"25P03", ErrorCode::kUnavailable, ""},
    {"28", ErrorCode::kInvalidInput, "; check user and password"},
    {"3D", ErrorCode::kInvalidInput, "; make it with createdb, or name another"},
    {"42501", ErrorCode::kInvalidInput, "; the user needs the right to use and make tables in this schema"},
    {"58", ErrorCode::kUnavailable, ""},
    {"XX00", ErrorCode::kCorruption, "; the server says that its data is damaged"},
};

Meaning meaning_of(std::string_view sqlstate) {
  for (const Meaning& meaning : kMeanings) {
    if (sqlstate.starts_with(meaning.sqlstate) && sqlstate != "XX000") return meaning;
  }
  return {sqlstate, ErrorCode::kInvalidInput, ""};
}

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, kMessageBytesMax));
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  std::ranges::replace(out, '\n', ' ');
  return out;
}

/// A connection that could not be made has words but no code.
ErrorCode code_of_refusal(std::string_view words) {
  constexpr std::string_view kOurs[] = {"password",       "authentication", "pg_hba.conf",
                                        "does not exist", "not permitted",  "permission denied"};
  const bool ours = std::ranges::any_of(kOurs, [&](std::string_view word) { return words.find(word) != std::string_view::npos; });
  return ours ? ErrorCode::kInvalidInput : ErrorCode::kUnavailable;
}

class PostgresRows final : public SqlCursor {
 public:
  explicit PostgresRows(PostgresResult result) : result_(std::move(result)), count_(PQntuples(result_.get())) {}

  Result<bool> next() override { return ++row_ < count_; }
  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) == 1; }
  int64_t integer(int column) const override {
    const std::string_view text = text_view(column);
    if (text == "t") return 1;
    int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  double real(int column) const override {
    double value = 0;
    const std::string_view text = text_view(column);
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  std::string_view text_view(int column) const override {
    return {PQgetvalue(result_.get(), row_, column), static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }
  std::optional<Timestamp> time(int column) const override {
    // "2026-11-26 01:02:03.5+00": the session's time zone is UTC.
    std::string text(text_view(column));
    if (text.ends_with("+00")) text.replace(text.size() - 3, 3, "Z");
    return parse_timestamp(text);
  }

 private:
  PostgresResult result_;
  const int count_;
  int row_ = -1;
};

}  // namespace

void PostgresResultDeleter::operator()(pg_result* result) const { PQclear(result); }

void PostgresArray::begin_item() {
  if (!items_.empty()) items_ += ',';
}

void PostgresArray::add(std::string_view text) {
  begin_item();
  items_ += '"';
  const auto add_plain = [&](std::string_view plain) {
    for (const char c : plain) {
      if (c == '"' || c == '\\') items_ += '\\';
      items_ += c;
    }
  };
  add_plain(storable(text));
  items_ += '"';
}

void PostgresArray::add(int64_t number) {
  begin_item();
  fmt::format_to(std::back_inserter(items_), "{}", number);
}

void PostgresArray::add_null() {
  begin_item();
  items_ += "NULL";
}

bool is_postgres_uri(std::string_view uri) { return uri.starts_with("postgresql://") || uri.starts_with("postgres://"); }

Result<std::string> postgres_name(const std::string& uri) {
  PQconninfoOption* options = is_postgres_uri(uri) ? PQconninfoParse(uri.c_str(), nullptr) : nullptr;
  if (options == nullptr) {
    return invalid_input(
        "no PostgreSQL URI: write postgresql://user@host:5432/database; escape special characters in names and passwords (%40 for @)");
  }
  std::map<std::string_view, std::string> known;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) known[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  const std::string& host = known["host"].empty() ? known["hostaddr"] : known["host"];
  std::string name = "postgresql://" + (host.empty() ? "localhost" : host);
  if (!known["port"].empty() && known["port"] != "5432") name += ":" + known["port"];
  return fmt::format("{}/{}", name, known["dbname"].empty() ? known["user"] : known["dbname"]);
}

const SqlDialect& PostgresConnection::dialect() const { return kPostgresDialect; }

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const PostgresOptions& options) {
  TRY_ASSIGN(std::string name, postgres_name(options.uri));
  const auto connect_timeout = options.stop.stop_requested() ? kPostgresStopTimeout : kPostgresConnectTimeout;
  const std::string connect_seconds = std::to_string(connect_timeout.count());
  const std::array<std::pair<const char*, const char*>, 8> settings = {{{"connect_timeout", connect_seconds.c_str()},
                                                                        {"keepalives_idle", "15"},
                                                                        {"keepalives_interval", "5"},
                                                                        {"keepalives_count", "3"},
                                                                        {"tcp_user_timeout", "30000"},
                                                                        {"fallback_application_name", "sluice"},
                                                                        {"dbname", options.uri.c_str()},  // overrides those before it
                                                                        {"client_encoding", "UTF8"}}};
  std::array<const char*, settings.size() + 1> words{}, values{};
  for (size_t i = 0; i < settings.size(); ++i) std::tie(words[i], values[i]) = settings[i];
  pg_conn* handle = PQconnectdbParams(words.data(), values.data(), 1);
  if (handle == nullptr) return fail(ErrorCode::kUnavailable, fmt::format("{}: out of memory", name));
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(handle, options, std::move(name)));
  if (PQstatus(handle) != CONNECTION_OK) {
    const std::string words_of_server = connection->last_words();
    return fail(code_of_refusal(words_of_server), fmt::format("{}: {}", connection->name_, words_of_server));
  }
  TRY(connection->configure());
  return connection;
}

PostgresConnection::~PostgresConnection() { PQfinish(handle_); }

/// Our own time limits, and what others may have set otherwise for their own purposes.
Result<void> PostgresConnection::configure() {
  if (PQserverVersion(handle_) < kOldestVersion) return invalid_input(name_ + ": PostgreSQL 13 or newer is needed");
  const auto millis = [&](milliseconds limit, bool also_patient) { return options_.patient && !also_patient ? 0 : limit.count(); };
  TRY(run_script(
      fmt::format("SET client_min_messages = error; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET standard_conforming_strings = "
                  "on; SET jit = off; "
                  "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; "
                  "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
                  "SELECT set_config(name, CASE name WHEN 'synchronous_commit' THEN 'on' ELSE '0' END, false) FROM pg_settings "
                  "WHERE name = 'idle_session_timeout' OR (name = 'synchronous_commit' AND setting IN ('off', 'local'))",
                  millis(kPostgresStatementTimeout, true), millis(kPostgresLockTimeout, true), millis(kPostgresStatementTimeout, false))));
  TRY_ASSIGN(auto rows, query("SELECT pg_is_in_recovery(), pg_postmaster_start_time()::text || ' ' || "
                              "COALESCE((SELECT stats_reset FROM pg_stat_bgwriter)::text, ''), pg_backend_pid(), "
                              "(SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid())"));
  TRY(rows.next());
  if (rows.integer(0) != 0) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("{}: is a standby: name the primary, or several hosts with ?target_session_attrs=read-write", name_));
  }
  life_ = rows.text(1);
  session_ = {.process = rows.integer(2), .began = rows.text(3)};
  return {};
}

std::string PostgresConnection::last_words() const { return one_line(PQerrorMessage(handle_)); }

int PostgresConnection::socket() const { return lost_ ? -1 : PQsocket(handle_); }

bool PostgresConnection::seems_alive() {
  if (lost_) return false;
  pollfd waiting{.fd = PQsocket(handle_), .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, 0) > 0 && (PQconsumeInput(handle_) == 0 || PQstatus(handle_) != CONNECTION_OK)) lost_ = true;
  return !lost_;
}

Error PostgresConnection::lose(std::string_view why) {
  lost_ = true;
  return Error{ErrorCode::kUnavailable, fmt::format("{}: {}", name_, why.empty() ? "the connection was lost" : why)};
}

Result<void> PostgresConnection::wait_for_answer(steady_clock::time_point deadline) {
  bool hurried = false;
  while (true) {
    const int unsent = PQflush(handle_);
    if (unsent < 0) return std::unexpected(lose(last_words()));
    if (unsent == 0 && PQisBusy(handle_) == 0) return {};
    const bool stopping = options_.stop.stop_requested();
    if (stopping && !std::exchange(hurried, true)) deadline = std::min(deadline, steady_clock::now() + kPostgresStopTimeout);
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return std::unexpected(lose("the server has been silent for too long"));
    pollfd waiting{.fd = PQsocket(handle_), .events = static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0)), .revents = 0};
    if (poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, kLookForStopEvery.count()))) < 0 && errno != EINTR)
      return std::unexpected(lose(std::strerror(errno)));
    if ((waiting.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(handle_) == 0) return std::unexpected(lose(last_words()));
  }
}

Result<PostgresResult> PostgresConnection::checked(PostgresResult result) {
  if (PQstatus(handle_) == CONNECTION_BAD) lost_ = true;
  if (result == nullptr) return std::unexpected(lose(last_words()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return result;
  const char* found = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  const char* words = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
  if (found == nullptr) return std::unexpected(lose(one_line(PQresultErrorMessage(result.get()))));
  const std::string_view sqlstate = found;
  // The server ends the session after these, whether or not we have seen it close the connection.
  if (sqlstate.starts_with("57P") || sqlstate.starts_with("08") || sqlstate == "25P03") lost_ = true;
  run_again_ = sqlstate == "40001" || sqlstate == "40P01";
  const Meaning meaning = meaning_of(sqlstate);
  return fail(meaning.code, fmt::format("{}: {}{}", name_, one_line(words == nullptr ? "" : words), meaning.way_out));
}

Result<PostgresResult> PostgresConnection::perform(const std::string& sql, std::span<const std::optional<std::string>> params,
                                                   bool script) {
  if (lost_) return std::unexpected(lose(""));
  run_again_ = false;
  std::vector<const char*> values;
  for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
  const int sent =
      script ? PQsendQuery(handle_, sql.c_str())
             : PQsendQueryParams(handle_, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr, nullptr, 0);
  if (sent == 0) return std::unexpected(lose(last_words()));
  const auto deadline = steady_clock::now() + kPostgresStatementTimeout + kPostgresSilenceMax;
  PostgresResult last, failed;
  while (true) {
    TRY(wait_for_answer(deadline));
    PostgresResult result(PQgetResult(handle_));
    if (result == nullptr) break;
    const bool bad = PQresultStatus(result.get()) == PGRES_FATAL_ERROR;
    (bad && failed == nullptr ? failed : last) = std::move(result);
    if (PQstatus(handle_) == CONNECTION_BAD) break;
  }
  return checked(failed ? std::move(failed) : std::move(last));
}

Result<void> PostgresConnection::run_script(const std::string& sql) {
  TRY(perform(sql, {}, true));
  return {};
}

Result<int64_t> PostgresConnection::execute_params(std::string_view sql, const SqlParam* params, size_t count) {
  std::vector<std::optional<std::string>> values;
  for (size_t i = 0; i < count; ++i) values.push_back(as_text(params[i]));
  TRY_ASSIGN(const PostgresResult result, perform(with_dollars(sql), values, false));
  const std::string_view changed = PQcmdTuples(result.get());
  int64_t rows = 0;
  std::from_chars(changed.data(), changed.data() + changed.size(), rows);
  return rows;
}

Result<std::unique_ptr<SqlCursor>> PostgresConnection::open_cursor(std::string_view sql, const SqlParam* params, size_t count) {
  std::vector<std::optional<std::string>> values;
  for (size_t i = 0; i < count; ++i) values.push_back(as_text(params[i]));
  TRY_ASSIGN(PostgresResult result, perform(with_dollars(sql), values, false));
  return std::make_unique<PostgresRows>(std::move(result));
}

}  // namespace sluice
