#include "iceberg/catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice {

std::string TableId::text() const { return fmt::format("{}.{}", fmt::join(ns, "."), name); }

void lay_over(std::map<std::string, std::string>& under, const std::map<std::string, std::string>& over) {
  // A key pair comes as a whole: a session token that belongs to another key would be refused.
  if (over.contains("s3.access-key-id")) {
    for (const char* key : {"s3.access-key-id", "s3.secret-access-key", "s3.session-token"}) under.erase(key);
  }
  for (const auto& [key, value] : over) under[key] = value;
}

std::map<std::string, std::string> store_properties(const LoadedTable& table, const std::string& uri) {
  const VendedCredential* best = nullptr;
  for (const VendedCredential& one : table.credentials) {
    if (uri.starts_with(one.prefix) && (!best || best->prefix.size() < one.prefix.size())) best = &one;
  }
  std::map<std::string, std::string> properties = table.properties;
  if (best) lay_over(properties, best->properties);
  return properties;
}

}  // namespace sluice
