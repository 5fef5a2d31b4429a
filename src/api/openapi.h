// The REST API as a table of operations, and the OpenAPI 3.1 document made from it. The service routes by the same table and checks
// requests against the same schemas, so that document and service cannot drift apart. Constant; thread-safe.
#pragma once

#include <span>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace sluice {

struct Operation {
  std::string_view id;
  std::string_view method;  ///< "GET", "POST", "PATCH", "DELETE"
  std::string_view path;    ///< "/api/v1/ingestions/{id}"
  std::string_view summary;
  int status;                 ///< of success
  std::string_view response;  ///< name of the answer's schema; empty: text or nothing
  std::string_view request;   ///< name of the body's schema; empty: none
  bool body_required;
  std::string_view query;  ///< parameters, separated by blanks; their schemas are in query_schema()
  bool open;               ///< nobody is asked for a token
};

std::span<const Operation> operations();

/// nullopt-like: an empty object where there is no such parameter.
const nlohmann::json& query_schema(std::string_view name);

const nlohmann::json& openapi_document();

}  // namespace sluice
