// Bearer tokens of the REST API: "slu_<id>_<secret>". The ledger keeps the id and a hash of the secret; the token is shown once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ledger/service_records.h"

namespace sluice {

struct NewToken {
  std::string text;    ///< what the caller sends; never stored
  TokenRecord record;  ///< what the ledger keeps
};

/// 128 random bits of secret.
NewToken make_access_token(std::string_view tenant, std::string_view name);

struct PresentedToken {
  std::string id;
  std::string secret;
};
/// nullopt: not of this form.
std::optional<PresentedToken> parse_access_token(std::string_view text);

/// Whether the secret is the token's and the token stands. Takes the same time for every secret.
bool opens(const TokenRecord& record, std::string_view secret);

}  // namespace sluice
