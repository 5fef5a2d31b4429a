#include "config/column_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/ingestion_json.h"
#include "config/ingestion_yaml.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<ColumnDefinition> all_kinds() {
  return {{.name = "amount", .from = "Betrag (EUR)", .type = "decimal(12,2)"},
          {.name = "region", .value = ""},
          {.name = "day", .type = "date", .path_pattern = R"re(sales-(\d{4}-\d\d-\d\d))re"},
          {.name = "payload", .json = true},
          {.name = "age", .check = {.min = "0", .max = "150"}},
          {.name = "status", .check = {.required = true, .in = {"open", "closed"}}},
          {.name = "email", .check = {.pattern = ".+@.+"}}};
}

constexpr std::string_view kList = R"yaml([
  {name: amount, from: "Betrag (EUR)", type: "decimal(12,2)"},
  {name: region, value: ""},
  {name: day, path_pattern: 'sales-(\d{4}-\d\d-\d\d)', type: date},
  {name: payload, json: true},
  {name: age, check: {min: 0, max: 150}},
  {name: status, check: {in: [open, closed], required: true}},
  {name: email, check: {pattern: ".+@.+"}}])yaml";

Result<Ingestion> from_yaml(const std::string& columns) {
  const YamlFile file{.name = "sluice.yaml", .folder = "/", .environment = {}};
  const std::vector<std::string> catalogs = {"local"};
  std::vector<std::string> warnings;
  const std::string text = "source: {paths: [in]}\ntable: t.a\nschema:\n  hive_partitioning: true\n  columns: " + columns;
  return read_ingestion(file, "x", YAML::Load(text), catalogs, warnings);
}

// A key that is read but not kept, here or in the ledger, would change what the next run does.
TEST(ColumnYaml, EveryKindIsReadAndKept) {
  const Ingestion ingestion = from_yaml(std::string(kList)).value();
  EXPECT_TRUE(ingestion.schema.hive_partitioning);
  EXPECT_EQ(ingestion.schema.columns, all_kinds());
  const Ingestion kept = parse_ingestion(to_json(ingestion)).value();
  EXPECT_EQ(kept.schema.columns, all_kinds());
  EXPECT_TRUE(kept.schema.hive_partitioning);
}

// REST bodies must mean the same, with numbers and switches as JSON writes them.
TEST(ColumnYaml, RestBodies) {
  const auto body = nlohmann::json::parse(R"({"name": "x", "source_type": "LOCAL", "source_config": {"path": "/in"},
    "destination_config": {"database": "t", "table": "a"},
    "schema": {"hive_partitioning": true, "columns": [{"name": "a", "type": "long", "check": {"min": 0, "in": [1, 2.5e3], "required": true}},
      {"name": "b", "value": true}]}})");
  const std::vector<std::string> catalogs = {"local"};
  const Result<Ingestion> read = ingestion_from_request(body, catalogs, nullptr);
  EXPECT_FALSE(read) << "2500.0 is no long";
  auto empty = body;
  empty["schema"]["columns"][0]["check"]["in"] = nlohmann::json::array();
  EXPECT_FALSE(ingestion_from_request(empty, catalogs, nullptr));
  auto good = body;
  good["schema"]["columns"][0]["check"]["in"] = {1, 2};
  const Ingestion ingestion = ingestion_from_request(good, catalogs, nullptr).value();
  EXPECT_EQ(ingestion.schema.columns[0].check, (ColumnCheck{.required = true, .min = "0", .max = {}, .in = {"1", "2"}, .pattern = ""}));
  EXPECT_EQ(ingestion.schema.columns[1].value, "true");
}

// The user must find the column that is wrong.
TEST(ColumnYaml, ErrorsNameThePlace) {
  const auto error = [](const std::string& column) {
    const auto read = from_yaml("\n    - {name: a, from: f}\n    - " + column);
    return read ? std::string("none") : read.error().message;
  };
  EXPECT_THAT(error("{name: b, type: money}"), StartsWith("sluice.yaml:7:7: column \"b\": "));
  EXPECT_THAT(error("{name: A}"), HasSubstr("column \"A\" is defined already (as \"a\"; names are compared without case)"));
  EXPECT_THAT(error("{name: f}"), HasSubstr("column \"f\": the field \"f\" becomes column \"a\" already"));
  EXPECT_EQ(error("{name: f, value: 1}"), "none");
  EXPECT_THAT(error("{from: f}"), HasSubstr("a column needs a name"));
  EXPECT_THAT(error("{name: b, value: x, type: long}"), HasSubstr("value: \"x\" is no long"));
  EXPECT_THAT(error("{name: b, json: true, type: long}"), HasSubstr("json: the column is a string"));
  EXPECT_THAT(error("{name: b, json: true, value: x}"), HasSubstr("json is for fields of the files"));
  EXPECT_THAT(error("{name: b, value: x, type: list<long>}"), HasSubstr("one value per file cannot be nested"));
  EXPECT_THAT(error("{name: b, path_pattern: '('}"), HasSubstr("path_pattern: not a regular expression"));
  EXPECT_THAT(error("b"), HasSubstr("sluice.yaml:7:7"));
  EXPECT_THAT(error("{name: b, fro: x}"), HasSubstr("unknown key \"fro\"; did you mean \"from\"?"));
  // Taken for no check at all, every value would pass what shall let none pass.
  EXPECT_THAT(error("{name: b, check: {in: []}}"), StartsWith("sluice.yaml:7:24: check.in: an empty list allows no value"));
  EXPECT_EQ(error("{name: b, check: {in: ['']}}"), "none");
}

// On the command line a column is written with or without braces, and each must know of those before it.
TEST(ColumnYaml, CommandLine) {
  std::vector<ColumnDefinition> columns;
  ASSERT_TRUE(read_column_text("name: amount, from: 'Betrag (EUR)', type: 'decimal(12,2)'", columns));
  ASSERT_TRUE(read_column_text("{name: region, value: ''}", columns));
  EXPECT_THAT(columns, ::testing::ElementsAre(all_kinds()[0], all_kinds()[1]));
  EXPECT_THAT(read_column_text("name: Region", columns).error().message, HasSubstr("is defined already"));
  EXPECT_THAT(read_column_text("name: [", columns).error().message, HasSubstr("write it like"));
  EXPECT_FALSE(read_column_text("amount", columns));
}

}  // namespace
}  // namespace sluice
