// Tokens, and answers to requests that may be repeated.
#include <fmt/format.h>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

constexpr std::string_view kTokenColumns = "id, tenant, name, secret_hash, created_at, revoked_at";

Result<TokenRecord> token_from(const SqlRows& row) {
  TokenRecord token{.id = row.text(0), .tenant = row.text(1), .name = row.text(2), .secret_hash = row.text(3)};
  TRY_ASSIGN(token.created_at, time_at(row, 4));
  TRY_ASSIGN(token.revoked_at, optional_time_at(row, 5));
  return token;
}

struct Noted {
  std::string fingerprint;
  RequestMemory memory;
  Timestamp started_at;
};
Result<Noted> noted_from(const SqlRows& row) {
  Noted noted{.fingerprint = row.text(0),
              .memory = {.made_id = row.text(1), .status = static_cast<int>(row.integer(2)), .body = row.text(3)}};
  TRY_ASSIGN(noted.started_at, time_at(row, 4));
  return noted;
}

}  // namespace

Result<void> SqlLedger::add_token(const TokenRecord& token) {
  return write("storing a token", [&](SqlConnection& db) -> Result<void> {
    TRY(db.execute("INSERT INTO tokens (id, tenant, name, secret_hash, created_at) VALUES (?, ?, ?, ?, ?)", token.id, token.tenant,
                   token.name, token.secret_hash, now_text(db)));
    return {};
  });
}

Result<std::optional<TokenRecord>> SqlLedger::find_token(std::string_view id) {
  return read("looking for a token", [&](SqlConnection& db) -> Result<std::optional<TokenRecord>> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM tokens WHERE id = ?", kTokenColumns), id));
    return first_row(std::move(rows), token_from);
  });
}

Result<std::vector<TokenRecord>> SqlLedger::tokens(std::string_view tenant) {
  return read("listing tokens", [&](SqlConnection& db) -> Result<std::vector<TokenRecord>> {
    TRY_ASSIGN(auto rows,
               db.query(fmt::format("SELECT {} FROM tokens WHERE ?1 = '' OR tenant = ?1 ORDER BY created_at, id", kTokenColumns), tenant));
    return all_rows(std::move(rows), token_from);
  });
}

Result<void> SqlLedger::revoke_token(std::string_view id) {
  return write("revoking a token", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const int64_t found, db.execute("UPDATE tokens SET revoked_at = COALESCE(revoked_at, ?2) WHERE id = ?1", id, now_text(db)));
    if (found == 0) return fail(ErrorCode::kNotFound, fmt::format("no token {}", id));
    return {};
  });
}

Result<RequestMemory> SqlLedger::begin_request(const IdempotentRequest& request) {
  auto memory = try_begin_request(request);
  // The same request came in twice at the same moment: the other was first.
  if (!memory && memory.error().code == ErrorCode::kConflict) return try_begin_request(request);
  return memory;
}

Result<RequestMemory> SqlLedger::try_begin_request(const IdempotentRequest& request) {
  return write("noting a request", [&](SqlConnection& db) -> Result<RequestMemory> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT fingerprint, made_id, status, body, started_at FROM idempotent_requests "
                                               "WHERE tenant = ? AND request_key = ?{}",
                                               db.dialect().lock_rows),
                                   request.tenant, request.key));
    TRY_ASSIGN(auto noted, first_row(std::move(rows), noted_from));
    const Timestamp now = this->now(db);
    if (!noted) {
      TRY(db.execute("INSERT INTO idempotent_requests (tenant, request_key, fingerprint, made_id, started_at) VALUES (?, ?, ?, ?, ?)",
                     request.tenant, request.key, request.fingerprint, request.made_id, to_text(now)));
      return RequestMemory{.standing = RequestStanding::kNew, .made_id = request.made_id};
    }
    RequestMemory memory = std::move(noted->memory);
    if (noted->fingerprint != request.fingerprint) {
      memory.standing = RequestStanding::kOtherRequest;
    } else if (memory.status != 0) {
      memory.standing = RequestStanding::kAnswered;
    } else if (now - noted->started_at < kRequestStaleAfter) {
      memory.standing = RequestStanding::kInProgress;
    } else {
      TRY(db.execute("UPDATE idempotent_requests SET started_at = ?3 WHERE tenant = ?1 AND request_key = ?2", request.tenant, request.key,
                     to_text(now)));
    }
    return memory;
  });
}

Result<void> SqlLedger::finish_request(std::string_view tenant, std::string_view key, int status, std::string_view body) {
  return write("keeping an answer", [&](SqlConnection& db) -> Result<void> {
    TRY(db.execute("UPDATE idempotent_requests SET status = ?3, body = ?4 WHERE tenant = ?1 AND request_key = ?2", tenant, key, status,
                   body));
    return {};
  });
}

Result<void> SqlLedger::drop_request(std::string_view tenant, std::string_view key) {
  return write("forgetting a request", [&](SqlConnection& db) -> Result<void> {
    TRY(db.execute("DELETE FROM idempotent_requests WHERE tenant = ? AND request_key = ? AND status = 0", tenant, key));
    return {};
  });
}

Result<int64_t> SqlLedger::purge_requests(Timestamp before) {
  return write("forgetting old requests",
               [&](SqlConnection& db) { return db.execute("DELETE FROM idempotent_requests WHERE started_at < ?", to_text(before)); });
}

}  // namespace sluice
