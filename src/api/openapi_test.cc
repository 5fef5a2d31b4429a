#include "api/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "api/json_schema.h"

namespace sluice {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> errors_of(const char* schema, const json& value) {
  std::vector<std::string> texts;
  const json reference = {{"$ref", std::string("#/components/schemas/") + schema}};
  for (const FieldError& error : schema_errors(value, reference, openapi_document())) texts.push_back(error.field + ": " + error.reason);
  return texts;
}

json request() {
  return {{"name", "orders"},
          {"source_type", "S3"},
          {"source_config", {{"bucket", "b"}, {"path", ""}, {"file_pattern", "*.json"}, {"access_key", "a"}, {"secret_key", "s"}}},
          {"destination_config", {{"catalog", "c"}, {"database", "d"}, {"table", "t"}}},
          {"format_type", "JSON"},
          {"schedule", nullptr},
          {"tenant_id", "t"},
          {"cluster_id", "c"}};
}

void collect_references(const json& node, std::set<std::string>& into) {
  if (node.is_object() && node.contains("$ref")) into.insert(node["$ref"].get<std::string>());
  if (node.is_structured()) {
    for (const json& below : node) collect_references(below, into);
  }
}

// Prevents: a document that generators and validators refuse: a schema that is named and not there, an operation twice.
TEST(OpenApi, NamesOnlyWhatItHolds) {
  std::set<std::string> references, ids;
  collect_references(openapi_document(), references);
  for (const std::string& reference : references) {
    EXPECT_TRUE(openapi_document().contains(json::json_pointer(reference.substr(1)))) << reference;
  }
  for (const Operation& operation : operations()) EXPECT_TRUE(ids.insert(std::string(operation.id)).second) << operation.id;
  for (const auto& [path, methods] : openapi_document()["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) EXPECT_TRUE(ids.contains(operation["operationId"])) << path << method;
  }
}

// Prevents: an acceptance body that is refused, and a reason that does not say where.
TEST(RequestSchema, TellsFieldByFieldWhatIsWrong) {
  EXPECT_THAT(errors_of("IngestionRequest", request()), IsEmpty());
  json wrong = request();
  wrong.erase("name");
  wrong["source_type"] = "FTP";
  wrong["source_config"]["bucket"] = 7;
  wrong["destination_config"].erase("table");
  wrong["nmae"] = "orders";
  wrong["retry"] = {{"attempts_max", 0}};
  wrong["partition_by"] = {"a", 1};
  EXPECT_THAT(errors_of("IngestionRequest", wrong),
              testing::UnorderedElementsAre("name: is missing", "source_type: expected one of [\"S3\",\"LOCAL\"]",
                                            "source_config.bucket: expected string or null, found number",
                                            "destination_config.table: is missing", "nmae: is unknown", "retry.attempts_max: less than 1",
                                            "partition_by[1]: expected string, found number"));
  EXPECT_THAT(errors_of("IngestionRequest", json::array()), ElementsAre(": expected object, found array"));
}

// Prevents: lengths counted in bytes, NULs that end a path early, answers as long as the request is wrong.
TEST(RequestSchema, BoundsTexts) {
  json body = request();
  body["name"] = std::string(200, 'x');
  EXPECT_THAT(errors_of("IngestionRequest", body), IsEmpty());
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "\xc3\xbc";
  body["name"] = umlauts;
  EXPECT_THAT(errors_of("IngestionRequest", body), IsEmpty());
  body["name"] = umlauts + "x";
  EXPECT_THAT(errors_of("IngestionRequest", body), Contains("name: longer than 200 characters"));
  body["name"] = std::string("a\0b", 3);
  EXPECT_THAT(errors_of("IngestionRequest", body), Contains("name: holds a NUL character"));
  json many = json::object();
  for (int i = 0; i < 1000; ++i) many[std::to_string(i)] = i;
  EXPECT_LE(errors_of("Empty", many).size(), 1000u);
}

}  // namespace
}  // namespace sluice
