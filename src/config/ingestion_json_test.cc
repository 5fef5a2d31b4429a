#include "config/ingestion_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kCatalogs = {"local", "test_catalog"};

json body() {
  return {{"name", "orders"},
          {"source_type", "S3"},
          {"source_config",
           {{"bucket", "test-bucket"},
            {"path", ""},
            {"file_pattern", "data-*.json"},
            {"access_key", "minioadmin"},
            {"secret_key", "minio-secret"},
            {"endpoint", "http://127.0.0.1:9000"},
            {"region", "us-east-1"}}},
          {"destination_config", {{"catalog", "test_catalog"}, {"database", "test_db"}, {"table", "t"}}},
          {"format_type", "JSON"},
          {"schedule", nullptr},
          {"tenant_id", "t1"},
          {"cluster_id", "c1"}};
}

std::string path_of(const char* type, const json& config) {
  json request = body();
  request["source_type"] = type;
  request["source_config"] = config;
  const auto built = ingestion_from_request(request, kCatalogs, nullptr);
  return built ? built->sources.at(0).paths.at(0) : built.error().message;
}

std::string refusal(const json& request) {
  const auto built = ingestion_from_request(request, kCatalogs, nullptr);
  return built ? "accepted" : built.error().message;
}

// Prevents: an acceptance body that becomes another ingestion than it says.
TEST(IngestionFromRequest, BuildsWhatTheBodySays) {
  const Ingestion ingestion = ingestion_from_request(body(), kCatalogs, nullptr).value();
  EXPECT_EQ(ingestion.name, "orders");
  EXPECT_EQ(ingestion.managed_by, "api");
  EXPECT_EQ(ingestion.cluster, "c1");
  EXPECT_EQ(ingestion.table.catalog, "test_catalog");
  EXPECT_EQ(ingestion.table.text(), "test_db.t");
  ASSERT_EQ(ingestion.sources.size(), 1u);
  const Source& source = ingestion.sources[0];
  EXPECT_THAT(source.paths, ElementsAre("s3://test-bucket/data-*.json"));
  EXPECT_EQ(source.format, "json");
  EXPECT_EQ(source.store, (Properties{{"s3.access-key-id", "minioadmin"},
                                      {"s3.secret-access-key", "minio-secret"},
                                      {"s3.endpoint", "http://127.0.0.1:9000"},
                                      {"s3.region", "us-east-1"}}));
}

// Prevents: a dump of a request whose table is another one than the request says.
TEST(IngestionFromRequest, DumpsSayWhichTable) {
  json request = body();
  request["format_type"] = "SQL";
  request["sql"] = {{"table", "public.users"}, {"dialect", "postgresql"}};
  const Source source = ingestion_from_request(request, kCatalogs, nullptr).value().sources.at(0);
  EXPECT_EQ(source.format, "sql");
  EXPECT_EQ(source.sql.table, "public.users");
  EXPECT_EQ(source.sql.dialect, DumpDialect::kPostgresql);
}

// Prevents: files of a request that go to a folder of the service's own choice.
TEST(IngestionFromRequest, DispositionsNameAbsoluteFolders) {
  json request = body();
  request["disposition"] = {{"done", "move:s3://test-bucket/done"}, {"failed", "tag"}};
  const Ingestion ingestion = ingestion_from_request(request, kCatalogs, nullptr).value();
  EXPECT_EQ(ingestion.disposition.done, (Disposition{Disposition::Kind::kMove, "s3://test-bucket/done/"}));
  EXPECT_EQ(ingestion.disposition.failed.kind, Disposition::Kind::kTag);
  request["disposition"] = {{"done", "move:done"}};
  EXPECT_THAT(refusal(request), HasSubstr("name an absolute folder, or s3://BUCKET/PREFIX"));
  request["disposition"] = {{"done", "move:/done"}};
  EXPECT_THAT(refusal(request), HasSubstr("within their own store only"));
}

// Prevents: secrets kept in the definition beside the sealed ones.
TEST(IngestionFromRequest, KeepsTheBodyWithoutSecrets) {
  const Ingestion ingestion = ingestion_from_request(body(), kCatalogs, nullptr).value();
  EXPECT_THAT(to_json(ingestion), Not(HasSubstr("minio-secret")));
  EXPECT_THAT(to_json(ingestion), Not(HasSubstr("minioadmin")));
  EXPECT_EQ(json::parse(ingestion.request)["source_config"]["secret_key"], kHidden);
}

// Prevents: doubled or missing slashes between bucket, path and pattern, which name other keys.
TEST(IngestionFromRequest, JoinsBucketPathAndPattern) {
  EXPECT_EQ(path_of("S3", {{"bucket", "b"}, {"path", "in/"}, {"file_pattern", "*.csv"}}), "s3://b/in/*.csv");
  EXPECT_EQ(path_of("S3", {{"bucket", "b"}, {"path", "/in"}, {"file_pattern", "/*.csv"}}), "s3://b/in/*.csv");
  EXPECT_EQ(path_of("S3", {{"bucket", "b"}}), "s3://b/");
  EXPECT_EQ(path_of("S3", {{"bucket", "b"}, {"path", "dt=*"}, {"file_pattern", "**/*.json"}}), "s3://b/dt=*/**/*.json");
  EXPECT_EQ(path_of("LOCAL", {{"path", "/data/in"}, {"file_pattern", "*.csv"}}), "file:///data/in/*.csv");
  EXPECT_THAT(path_of("LOCAL", {{"path", "in"}}), HasSubstr("absolute"));
  EXPECT_THAT(path_of("LOCAL", {{"path", "/in"}, {"endpoint", "http://x"}}), HasSubstr("source_config.endpoint"));
  EXPECT_THAT(path_of("S3", {{"path", "in"}}), HasSubstr("bucket"));
}

// Prevents: a caller who reads the server's environment or files through a value.
TEST(IngestionFromRequest, ExpandsNothing) {
  json request = body();
  request["source_system"] = "${file:/etc/passwd}";
  request["name"] = "${env:HOME}";
  const Ingestion ingestion = ingestion_from_request(request, kCatalogs, nullptr).value();
  EXPECT_EQ(ingestion.sources[0].source_system, "${file:/etc/passwd}");
  EXPECT_EQ(ingestion.name, "${env:HOME}");
}

// Prevents: options that sluice.yaml has and a body silently loses; messages with places in a file that nobody wrote.
TEST(IngestionFromRequest, TakesTheOptionsOfTheConfigurationFile) {
  json request = body();
  request["partition_by"] = {"bucket(16, id)"};
  request["on_change"] = "ignore";
  request["batch"] = {{"files_max", 7}, {"bytes_max", "1MiB"}};
  request["on_bad_row"] = {{"action", "skip"}, {"max", 3}};
  request["schema"] = {{"mode", "rescue"}};
  request["tracking"] = false;
  request["schedule"] = "*/5 * * * *";
  request["timezone"] = "Europe/Berlin";
  request["metadata_columns"] = json::array();
  const Ingestion ingestion = ingestion_from_request(request, kCatalogs, nullptr).value();
  EXPECT_THAT(ingestion.partition_by, ElementsAre("bucket(16, id)"));
  EXPECT_EQ(ingestion.on_change, OnChange::kIgnore);
  EXPECT_EQ(ingestion.batch.files_max, 7);
  EXPECT_EQ(ingestion.batch.bytes_max, 1024 * 1024);
  EXPECT_EQ(ingestion.on_bad_row.rows_max, 3);
  EXPECT_EQ(ingestion.schema.mode, SchemaMode::kRescue);
  EXPECT_FALSE(ingestion.tracking);
  EXPECT_EQ(ingestion.schedule, "*/5 * * * *");
  EXPECT_EQ(ingestion.timezone, "Europe/Berlin");
  EXPECT_TRUE(ingestion.metadata_columns.empty());
  request["schedule"] = "* * *";
  EXPECT_THAT(refusal(request), HasSubstr("schedule: \"* * *\" has 3 fields"));
  EXPECT_THAT(refusal(request), Not(HasSubstr("request:")));
}

// Prevents: several sources of which one's secrets or paths become another's.
TEST(IngestionFromRequest, TakesSeveralSources) {
  json request = body();
  const json config = request["source_config"];
  request.erase("source_config");
  request.erase("source_type");
  request["sources"] = {{{"id", "a"}, {"source_type", "S3"}, {"source_config", config}, {"format_type", "CSV"}},
                        {{"id", "b"}, {"source_type", "LOCAL"}, {"source_config", {{"path", "/in"}}}}};
  const Ingestion ingestion = ingestion_from_request(request, kCatalogs, nullptr).value();
  ASSERT_EQ(ingestion.sources.size(), 2u);
  EXPECT_EQ(ingestion.sources[0].format, "csv");
  EXPECT_EQ(ingestion.sources[0].store.at("s3.secret-access-key"), "minio-secret");
  EXPECT_EQ(ingestion.sources[1].format, "auto");
  EXPECT_TRUE(ingestion.sources[1].store.empty());
  EXPECT_THAT(ingestion.request, Not(HasSubstr("minio-secret")));
  request["source_config"] = config;
  EXPECT_THAT(refusal(request), HasSubstr("not both"));
  request.erase("sources");
  EXPECT_THAT(refusal(request), HasSubstr("source_type and source_config are missing"));
  request.erase("source_config");
  EXPECT_THAT(refusal(request), HasSubstr("source_type and source_config are missing"));
}

// Prevents: a PATCH that loses the secrets, or that cannot change one of them.
TEST(Patch, KeepsWhatItDoesNotName) {
  const Ingestion before = ingestion_from_request(body(), kCatalogs, nullptr).value();
  json changed = patched(before, {{"schedule", "0 * * * *"}, {"source_config", {{"region", nullptr}, {"access_key", "other-name"}}}});
  const Ingestion after = ingestion_from_request(changed, kCatalogs, &before).value();
  EXPECT_EQ(after.schedule, "0 * * * *");
  EXPECT_EQ(after.name, "orders");
  EXPECT_EQ(after.sources[0].store.at("s3.secret-access-key"), "minio-secret");
  EXPECT_EQ(after.sources[0].store.at("s3.access-key-id"), "other-name");
  EXPECT_FALSE(after.sources[0].store.contains("s3.region"));
  // "***" without anything before stands for nothing.
  const Ingestion fresh = ingestion_from_request(changed, kCatalogs, nullptr).value();
  EXPECT_FALSE(fresh.sources[0].store.contains("s3.secret-access-key"));
}

}  // namespace
}  // namespace sluice
