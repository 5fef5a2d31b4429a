// Rule S: which file an object belongs to.
#include <fmt/format.h>

#include <algorithm>

#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

/// "id id id": the last kKeyClaimsMax of them, ours behind.
std::vector<BatchId> with_ours(std::string_view claimed, const BatchId& ours) {
  std::vector<BatchId> batches;
  for (size_t begin = 0; begin < claimed.size();) {
    const size_t end = std::min(claimed.find(' ', begin), claimed.size());
    batches.emplace_back(std::string(claimed.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (batches.empty() || batches.back() != ours) batches.push_back(ours);
  if (batches.size() > kKeyClaimsMax) batches.erase(batches.begin(), batches.end() - kKeyClaimsMax);
  return batches;
}

std::string text_of(const std::vector<BatchId>& batches) {
  std::string text;
  for (const BatchId& batch : batches) text += (text.empty() ? "" : " ") + batch.text;
  return text;
}

}  // namespace

Result<KeyClaim> SqlLedger::claim_key(SqlConnection& db, const Lease& lease, std::string_view target, const KeyRequest& request,
                                      std::string_view now) {
  TRY(
      db.execute("INSERT INTO object_keys (object_key, target, ingestion_id, file_path, version, batches, updated_at) "
                 "VALUES (?1, ?2, ?3, ?4, ?5, '', ?6) ON CONFLICT (object_key) DO NOTHING",
                 request.key, target, lease.ingestion.text, request.file_path, request.version, now));
  TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT ingestion_id, file_path, version, batches FROM object_keys WHERE object_key = ?{}",
                                             db.dialect().lock_rows),
                                 request.key));
  TRY_ASSIGN(const bool found, rows.next());
  if (!found) return fail(ErrorCode::kUnavailable, fmt::format("the claim of key {} went away just now", request.key));
  if (rows.text_view(0) != lease.ingestion.text || rows.text_view(1) != request.file_path) {
    const std::string owner = rows.text(0), file = rows.text(1);
    TRY_ASSIGN(const auto name, db.query_text("SELECT name FROM ingestions WHERE id = ?", owner));
    return KeyClaim{.owner = fmt::format("{} of ingestion {}", file, name.value_or(owner))};
  }
  const std::string_view before = rows.text_view(3);
  KeyClaim claim{"", !before.empty() && before != lease.batch.text,
                 with_ours(rows.text_view(2) == request.version ? rows.text_view(3) : "", lease.batch)};
  TRY(db.execute("UPDATE object_keys SET version = ?2, batches = ?3, updated_at = ?4 WHERE object_key = ?1", request.key, request.version,
                 text_of(claim.batches), now));
  return claim;
}

Result<std::vector<KeyClaim>> SqlLedger::claim_keys(const Lease& lease, std::string_view target, std::span<const KeyRequest> requests) {
  return write("claiming keys of objects", [&](SqlConnection& db) -> Result<std::vector<KeyClaim>> {
    TRY_ASSIGN(const BatchState state, own_state(db, lease));
    if (state != BatchState::kStaging) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: it claims no key", lease.batch.text, to_string(state)));
    }
    TRY_ASSIGN(const auto elsewhere, db.query_text("SELECT target FROM object_keys WHERE ingestion_id = ? AND target <> ? LIMIT 1",
                                                   lease.ingestion.text, target));
    if (elsewhere) {
      return invalid_input(
          fmt::format("its files became objects below {} so far and are remembered as done there, not below {}. Nothing "
                      "was written. Ways out: another name for the ingestion (--name), or `sluice forget --all` to begin "
                      "anew",
                      *elsewhere, target));
    }
    const std::string now = now_text(db);
    std::vector<KeyClaim> claims;
    for (const KeyRequest& request : requests) {
      TRY_ASSIGN(KeyClaim claim, claim_key(db, lease, target, request, now));
      claims.push_back(std::move(claim));
    }
    return claims;
  });
}

}  // namespace sluice
