#include "iceberg/rest_config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::json;

RestConfig merged(const json& answer, const std::map<std::string, std::string>& configured = {}) {
  auto config = merge_rest_config("http://host:8181/api", configured, answer);
  EXPECT_TRUE(config) << config.error().message;
  return *config;
}

// Prevents a user's property from losing to a default, or from winning over what the server insists on.
TEST(RestConfig, DefaultsThenUserThenOverrides) {
  const RestConfig config =
      merged({{"defaults", {{"a", "default"}, {"b", "default"}, {"c", "default"}, {"n", nullptr}}}, {"overrides", {{"c", "server"}}}},
             {{"b", "user"}, {"c", "user"}});
  EXPECT_EQ(config.properties, (std::map<std::string, std::string>{{"a", "default"}, {"b", "user"}, {"c", "server"}}));
  EXPECT_EQ(merged({{"overrides", {{"uri", "https://other/x/"}}}}).base_url, "https://other/x/v1");
  EXPECT_FALSE(merge_rest_config("http://host", {}, json::array()));
}

// Prevents requests to "main|warehouse" or "main%257Cwarehouse" where the server means "main%7Cwarehouse" (Nessie), and one segment where
// there are two (Glue).
TEST(RestConfig, PrefixKeepsWhatIsEncoded) {
  EXPECT_EQ(encode_prefix("main%7Cwarehouse"), "main%7Cwarehouse");
  EXPECT_EQ(encode_prefix("main|wh 1"), "main%7Cwh%201");
  EXPECT_EQ(encode_prefix("/catalogs/123/"), "catalogs/123");
  EXPECT_EQ(encode_prefix("arn%3Aaws%3As3tables"), "arn%3Aaws%3As3tables");
  EXPECT_EQ(encode_prefix("100%"), "100%25");
  EXPECT_EQ(encode_prefix("a?b#c"), "a%3Fb%23c");
  const RestConfig config = merged({{"overrides", {{"prefix", "main%7Cwh"}}}});
  EXPECT_EQ(config.table_url({{"a"}, "t"}), "http://host:8181/api/v1/main%7Cwh/namespaces/a/tables/t");
}

// Prevents levels that run together, and names that end a path.
TEST(RestConfig, NamesInUrls) {
  EXPECT_EQ(merged(json::object()).table_url({{"a b", "c/d"}, "t?"}), "http://host:8181/api/v1/namespaces/a%20b%1Fc%2Fd/tables/t%3F");
  EXPECT_EQ(merged({{"overrides", {{"namespace-separator", "%2E"}}}}).encoded({"a", "b"}), "a%2Eb");
  EXPECT_EQ(merged({{"defaults", {{"namespace-separator", "\x1f"}}}}).encoded({"a", "b"}), "a%1Fb");
}

// Prevents a catalog that lists nothing from offering nothing, and one that lists something from being asked for the rest.
TEST(RestConfig, EndpointsOfTheSpecificationWhereNoneAreNamed) {
  EXPECT_TRUE(merged(json::object()).offers(RestEndpoint::kCreateNamespace));
  const RestConfig some = merged({{"endpoints", {"GET /v1/{prefix}/namespaces/{namespace}/tables/{table}"}}});
  EXPECT_TRUE(some.offers(RestEndpoint::kLoadTable));
  EXPECT_FALSE(some.offers(RestEndpoint::kCreateNamespace));
  EXPECT_FALSE(some.idempotency_keys);
  EXPECT_TRUE(merged({{"idempotency-key-lifetime", "PT30M"}}).idempotency_keys);
}

}  // namespace
}  // namespace sluice
