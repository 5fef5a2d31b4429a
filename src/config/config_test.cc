#include "config/config.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "base/units.h"
#include "config/load_options.h"
#include "config/validate.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;

ConfigOptions options(const std::string& profile = "") {
  return {.home = "/home/.sluice", .warehouse = "/home/warehouse", .profile = profile, .environment = [](std::string_view name) {
            return name == "KEY" ? std::optional<std::string>("k3y") : std::nullopt;
          }};
}

Result<Config> parse(const std::string& text, const std::string& profile = "") {
  return parse_config(text, "sluice.yaml", "/conf", options(profile));
}

Ingestion only(const std::string& text, const std::string& profile = "") {
  const Result<Config> config = parse(text, profile);
  EXPECT_TRUE(config) << config.error().message;
  return config && config->ingestions.size() == 1 ? config->ingestions[0] : Ingestion{};
}

std::string error_of(const std::string& text, const std::string& profile = "") {
  const Result<Config> config = parse(text, profile);
  if (config) return "no error";
  EXPECT_EQ(config.error().code, ErrorCode::kInvalidInput);
  return config.error().message;
}

// An ingestion with more keys, each line indented by four.
std::string with(const std::string& lines) {
  return "ingestions:\n  orders:\n    source: {paths: [in]}\n    table: bronze.orders\n    on_change: append\n    " + lines + "\n";
}

// No file and an empty file must mean the same defaults.
TEST(Config, DefaultsLieBelowHome) {
  for (const std::string text : {"", "# nothing\n", "ingestions: {}\n"}) {
    const Config config = parse(text).value();
    EXPECT_EQ(config.ledger_path(), "/home/.sluice/ledger.db");
    ASSERT_THAT(config.catalogs, SizeIs(1));
    const CatalogConfig& local = config.catalogs.at("local");
    EXPECT_EQ(local.uri, "sqlite:/home/.sluice/catalog.db");
    EXPECT_EQ(local.sqlite_path(), "/home/.sluice/catalog.db");
    EXPECT_EQ(local.warehouse, "file:///home/warehouse");
    EXPECT_THAT(config.ingestions, IsEmpty());
  }
}

// Run from another folder, the file must mean the same places.
TEST(Config, RelativePathsStartAtTheFile) {
  const Config good = parse(R"yaml(
ledger: sqlite:.sluice/ledger.db
catalogs:
  local: {type: sql, uri: "sqlite:///cat.db", warehouse: ./warehouse/, s3.endpoint: "http://x", s3.secret-access-key: "${env:KEY}"}
  other: {uri: "sqlite:////abs/c.db", warehouse: "s3://lake/wh"}
ingestions:
  orders:
    source: {paths: [in/*.json, /abs/x], s3.region: eu}
    table: other.bronze.orders
    schema: {contract: contracts/../orders.yaml}
)yaml")
                          .value();
  EXPECT_EQ(good.ledger_path(), "/conf/.sluice/ledger.db");
  EXPECT_EQ(good.catalogs.at("local").uri, "sqlite:/conf/cat.db");
  EXPECT_EQ(good.catalogs.at("local").warehouse, "file:///conf/warehouse");
  EXPECT_THAT(good.catalogs.at("local").properties, ElementsAre(Pair("s3.endpoint", "http://x"), Pair("s3.secret-access-key", "k3y")));
  EXPECT_EQ(good.catalogs.at("other").sqlite_path(), "/abs/c.db");
  EXPECT_EQ(good.catalogs.at("other").warehouse, "s3://lake/wh");
  const Ingestion orders = good.ingestion("orders").value();
  EXPECT_THAT(orders.sources.at(0).paths, ElementsAre("file:///conf/in/*.json", "file:///abs/x"));
  EXPECT_THAT(orders.sources.at(0).store, ElementsAre(Pair("s3.region", "eu")));
  EXPECT_EQ(orders.schema.contract, "/conf/orders.yaml");
  EXPECT_EQ(orders.table.catalog, "other");
  EXPECT_THAT(good.warnings, ElementsAre(HasSubstr("on_change is not set")));
}

// A key that is read but not kept would be a setting without effect: each is checked to arrive.
TEST(Config, EveryKeyOfAnIngestionArrives) {
  const Ingestion i = only(R"yaml(
ingestions:
  orders:
    sources:
      - {id: live, paths: [/in/*.csv], format: csv, source_system: sales,
         csv: {delimiter: ";", quote: "'", header: false, null_tokens: ["", NA]}}
      - {id: archive, paths: /old, format: json, json: {}}
    table: bronze.raw.orders
    partition_by: [day(order_time), "bucket(16, customer_id)"]
    sort_by: []
    write: {mode: append}
    branch: main
    format_version: 2
    table_properties: {write.parquet.compression-codec: zstd, n: 5}
    schema: {mode: rescue, contract: /c.yaml, validate: false, strict_mode: true, infer: {timestamps: false, numbers: double}}
    on_change: fail
    on_bad_row: {action: skip, max: 1.5%}
    tracking: false
    ready: {min_age: 1h30m, marker: _SUCCESS, ignore: ["*.bak"], modified_after: 2026-01-01}
    start_from: 2026-02-03T04:05:06Z
    batch: {files_max: 7, bytes_max: 1GiB}
    run: {files_max: 9, order: time}
    retry: {attempts_max: 5}
    disposition: {done: keep, failed: keep}
    schedule: null
    timezone: UTC
    metadata_columns: [_source_file, _source_row]
)yaml");
  EXPECT_EQ(i.name, "orders");
  EXPECT_EQ(i.managed_by, "file");
  ASSERT_THAT(i.sources, SizeIs(2));
  EXPECT_EQ(i.sources[0].id, SourceId("live"));
  EXPECT_EQ(i.sources[0].format, "csv");
  EXPECT_EQ(i.sources[0].csv.delimiter, ';');
  EXPECT_EQ(i.sources[0].csv.quote, '\'');
  EXPECT_EQ(i.sources[0].csv.header, false);
  EXPECT_THAT(i.sources[0].csv.null_tokens, ElementsAre("", "NA"));
  EXPECT_EQ(i.sources[0].source_system, "sales");
  EXPECT_THAT(i.sources[1].paths, ElementsAre("file:///old"));
  EXPECT_EQ(i.sources[1].format, "json");
  EXPECT_EQ(i.table.catalog, "local");
  EXPECT_THAT(i.table.ns, ElementsAre("bronze", "raw"));
  EXPECT_EQ(i.table.name, "orders");
  EXPECT_THAT(i.partition_by, ElementsAre("day(order_time)", "bucket(16, customer_id)"));
  EXPECT_THAT(i.table_properties, ElementsAre(Pair("n", "5"), Pair("write.parquet.compression-codec", "zstd")));
  EXPECT_EQ(i.schema.mode, SchemaMode::kRescue);
  EXPECT_EQ(i.schema.contract, "/c.yaml");
  EXPECT_FALSE(i.schema.validate);
  EXPECT_TRUE(i.schema.strict_mode);
  EXPECT_FALSE(i.schema.infer.timestamps);
  EXPECT_TRUE(i.schema.infer.numbers_double);
  EXPECT_EQ(i.on_change, OnChange::kFail);
  EXPECT_EQ(i.on_bad_row.action, BadRowAction::kSkip);
  EXPECT_EQ(i.on_bad_row.percent_max, 1.5);
  EXPECT_FALSE(i.on_bad_row.rows_max);
  EXPECT_FALSE(i.tracking);
  EXPECT_EQ(i.ready.min_age, std::chrono::minutes(90));
  EXPECT_EQ(i.ready.marker, "_SUCCESS");
  EXPECT_THAT(i.ready.ignore, ElementsAre("*.bak"));
  EXPECT_EQ(i.ready.modified_after, parse_timestamp("2026-01-01"));
  EXPECT_EQ(i.start_from, parse_timestamp("2026-02-03T04:05:06Z"));
  EXPECT_FALSE(i.start_from_now);
  EXPECT_EQ(i.batch.files_max, 7);
  EXPECT_EQ(i.batch.bytes_max, kGiB);
  EXPECT_EQ(i.run_files_max, 9);
  EXPECT_EQ(i.run_order, "time");
  EXPECT_EQ(i.retry_attempts_max, 5);
  EXPECT_THAT(i.metadata_columns, ElementsAre("_source_file", "_source_row"));
}

// Files that go to another folder than meant, or stay although they were to go.
TEST(Config, DispositionsArrive) {
  const std::string s3 = "ingestions:\n  o:\n    table: a.b\n    source: {paths: [\"s3://b/in/*.json\"]}\n    ";
  using enum Disposition::Kind;
  EXPECT_EQ(only(with("disposition: {done: \"move:done\", failed: delete}")).disposition,
            (Dispositions{{kMove, "file:///conf/done/"}, {kDelete, ""}}));
  EXPECT_EQ(only(with("disposition: {done: \"move:/abs/x/\"}")).disposition, (Dispositions{{kMove, "file:///abs/x/"}, {}}));
  EXPECT_EQ(only(s3 + "disposition: {done: tag, failed: \"move:s3://other/failed\"}").disposition,
            (Dispositions{{kTag, ""}, {kMove, "s3://other/failed/"}}));
  EXPECT_FALSE(only(with("disposition: {done: keep, failed: keep}")).disposition.any());
  EXPECT_THAT(error_of(s3 + "disposition: {done: \"move:s3://b/in\"}"), HasSubstr("would list the moved files again"));
  EXPECT_TRUE(only(s3 + "disposition: {done: \"move:s3://b/in/done\"}").disposition.any());  // * does not cross /
}

// Objects of sluice.yaml that lose their endpoint, or take a table's limits.
TEST(Config, ObjectsAreATarget) {
  const Ingestion i =
      only("ingestions:\n  c:\n    source: {paths: [in]}\n    parquet: {prefix: s3://b/out, s3.endpoint: \"http://h:1\"}\n");
  ASSERT_TRUE(i.parquet);
  EXPECT_EQ(i.parquet->prefix, "s3://b/out");
  EXPECT_EQ(i.parquet->store.at("s3.endpoint"), "http://h:1");
  EXPECT_EQ(i.batch.files_max, 64);
  const Ingestion folder = only("ingestions:\n  c:\n    source: {paths: [in]}\n    parquet: out\n    batch: {files_max: 3}\n");
  EXPECT_THAT(folder.parquet->prefix, HasSubstr("/out"));
  EXPECT_EQ(folder.batch.files_max, 3);
}

// A dump's table that is another one than was named; a table that gets all tables of a dump, or objects that get one.
TEST(Config, DumpsSayWhichTable) {
  const auto target = [](const std::string& target, const std::string& sql) {
    return "ingestions:\n  c:\n    source: {paths: [/in], format: sql" + sql + "}\n    " + target + "\n";
  };
  const Source named = only(target("table: a.b", ", sql: {table: users, dialect: mysql}")).sources.at(0);
  EXPECT_EQ(named.format, "sql");
  EXPECT_EQ(named.sql.table, "users");
  EXPECT_EQ(named.sql.dialect, DumpDialect::kMysql);
  EXPECT_EQ(only(target("table: a.b", "")).sources.at(0).sql.table, "");
  EXPECT_EQ(only(target("parquet: /out", "")).sources.at(0).sql.table, "*");
  EXPECT_EQ(only(target("parquet: /out", ", sql: {table: users}")).sources.at(0).sql.table, "users");
  EXPECT_THAT(error_of(target("table: a.b", ", sql: {table: \"*\"}")), HasSubstr("every table of a dump"));
  EXPECT_THAT(error_of(target("table: a.b", ", sql: {dialect: oracle}")), HasSubstr("oracle"));
}

// Null means "not given", as in the documented example.
TEST(Config, NullsKeepDefaults) {
  const Ingestion i =
      only(with("ready: {min_age: 0s, marker: null}\n    run: {files_max: null}\n    start_from: null\n    metadata_columns: []"));
  EXPECT_EQ(i.ready.marker, "");
  EXPECT_THAT(i.ready.ignore, ElementsAre("_*", ".*", "*.tmp"));
  EXPECT_FALSE(i.run_files_max);
  EXPECT_FALSE(i.start_from);
  EXPECT_THAT(i.metadata_columns, IsEmpty());
  EXPECT_EQ(i.sources[0].id, SourceId(kOnlySourceId));
  EXPECT_EQ(i.sources[0].format, "auto");
}

// Prevents a server's own properties from being refused, changed or lost: only the server knows them all.
TEST(Config, RestCatalogsTakeEveryProperty) {
  auto config = parse(
      "catalogs:\n  lake: {type: rest, uri: \"https://host/api\", warehouse: 123456, credential: \"a:b\", rest.sigv4-enabled: true, "
      "header.X-Team: data, ssl.cabundle: ca.pem, s3.endpoint: http://s3}\n  bare: {type: rest, uri: \"http://h\"}\n");
  ASSERT_TRUE(config) << config.error().message;
  const CatalogConfig& lake = config->catalogs.at("lake");
  EXPECT_EQ(lake.uri, "https://host/api");
  EXPECT_EQ(lake.warehouse, "123456");
  EXPECT_EQ(lake.properties, (Properties{{"credential", "a:b"},
                                         {"rest.sigv4-enabled", "true"},
                                         {"header.X-Team", "data"},
                                         {"ssl.cabundle", "/conf/ca.pem"},
                                         {"s3.endpoint", "http://s3"}}));
  EXPECT_EQ(config->catalogs.at("bare").warehouse, "");
}

// Prevents a password in an error message or in what `check` shows; a database that is not the one that was written.
TEST(Config, PasswordsOfDatabasesAreNotShown) {
  EXPECT_THAT(error_of("ledger: postgresql://user:s3cr%zzt@host/db\n"), AllOf(HasSubstr("postgresql://"), Not(HasSubstr("s3cr"))));
  const std::string uri = "postgresql://user:secret@db.example:5433/lake?options=-csearch_path%3Ds";
  const Config config = parse("ledger: " + uri + "\ncatalogs:\n  lake: {type: sql, uri: \"" + uri + "\", warehouse: w}\n").value();
  EXPECT_EQ(config.ledger_uri, uri);
  EXPECT_EQ(config.ledger_path(), "");
  EXPECT_EQ(config.ledger_name(), "postgresql://db.example:5433/lake");
  EXPECT_EQ(config.catalogs.at("lake").uri, uri);
}

// Each wrong text must be found at its own place: operators jump there.
TEST(Config, ErrorsNameTheirPlace) {
  EXPECT_THAT(error_of("ingestions:\n  events:\n   - a: [1, 2\n"), StartsWith("sluice.yaml:4:"));
  EXPECT_THAT(error_of("ingestion: {}\n"),
              StartsWith("sluice.yaml:1:1: sluice.yaml: unknown key \"ingestion\"; did you mean \"ingestions\"?"));
  EXPECT_THAT(error_of("ledger: mysql://user@host/db\n"), AllOf(StartsWith("sluice.yaml:1:9: ledger:"), HasSubstr("postgresql://")));
  EXPECT_THAT(error_of("ledger: [a]\n"), StartsWith("sluice.yaml:1:9: ledger: expected a single value, found a list"));
  EXPECT_THAT(error_of("ledger: sqlite:a\nledger: sqlite:b\n"), StartsWith("sluice.yaml:2:1:"));
  EXPECT_THAT(error_of("- a\n"), StartsWith("sluice.yaml:1:1:"));
  EXPECT_THAT(error_of("a: 1\n---\nb: 2\n"), HasSubstr("2 documents"));
  EXPECT_THAT(error_of("catalogs:\n  lake: {type: hive, uri: u, warehouse: w}\n"),
              AllOf(StartsWith("sluice.yaml:2:16:"), HasSubstr("sql | rest")));
  EXPECT_THAT(error_of("catalogs:\n  lake: {type: rest, uri: \"sqlite:a\"}\n"),
              AllOf(StartsWith("sluice.yaml:2:27: uri:"), HasSubstr("http://")));
  EXPECT_THAT(error_of("catalogs:\n  lake: {type: rest}\n"), AllOf(StartsWith("sluice.yaml:2:9:"), HasSubstr("uri is missing")));
  EXPECT_THAT(error_of("catalogs:\n  lake: {uri: \"sqlite:a\"}\n"),
              AllOf(StartsWith("sluice.yaml:2:9:"), HasSubstr("warehouse is missing")));
  EXPECT_THAT(error_of("catalogs:\n  lake: {uri: \"sqlite:${env:NOPE}\"}\n"), AllOf(StartsWith("sluice.yaml:2:15:"), HasSubstr("NOPE")));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    source: {paths: [in]}\n"),
              AllOf(StartsWith("sluice.yaml:3:5:"), HasSubstr("table is missing")));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: orders\n"), AllOf(StartsWith("sluice.yaml:3:12: table:"), HasSubstr("namespace")));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n"), HasSubstr("source is missing"));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    source: [{paths: [x]}]\n"),
              AllOf(StartsWith("sluice.yaml:4:13:"), HasSubstr("sources:")));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    source: {id: x}\n"),
              AllOf(StartsWith("sluice.yaml:4:13:"), HasSubstr("paths is missing")));
  EXPECT_THAT(error_of(with("sources: [{paths: [x]}]")), AllOf(StartsWith("sluice.yaml:6:14:"), HasSubstr("both")));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    sources: [{paths: [x]}, {paths: [y]}]\n"), HasSubstr("needs an id"));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    sources: [{id: a, paths: [x]}, {id: a, paths: [y]}]\n"),
              HasSubstr("two sources are called \"a\""));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    source: {paths: [/x, \"s3://b/y\"]}\n"), HasSubstr("different stores"));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    source: {paths: [/x, \"file://host/y\"]}\n"),
              StartsWith("sluice.yaml:4:26: paths:"));
}

struct BadValue {
  const char* line;
  const char* place;
  const char* says;
};

// A wrong value that passes for a default loads other files than meant; one without its place costs a search.
TEST(Config, WrongValuesAreNamedWithWhatWouldBeRight) {
  for (const BadValue& bad : std::initializer_list<BadValue>{
           {"paritition_by: x", "6:5", "did you mean \"partition_by\"?"},
           {"tracking: maybe", "6:15", "neither true nor false"},
           {"schema: {mode: evolv}", "6:20", "did you mean \"evolve\"?"},
           {"schema: {mode: approve}\n    tracking: false", "3:5", "needs tracking"},
           {"schema: {strictmode: true}", "6:14", "did you mean \"strict_mode\"?"},
           {"schema: {infer: {numbers: float}}", "6:31", "auto | double"},
           {"schema: evolve", "6:13", "expected a map"},
           {"on_bad_row: {action: drop}", "6:26", "fail | skip"},
           {"on_bad_row: {action: skip, max: 200%}", "6:37", "10 or 1%"},
           {"on_bad_row: {action: skip, max: some}", "6:37", "whole number"},
           {"on_bad_row: {max: 3}", "3:5", "action skip"},
           {"ready: {min_age: 5 minutes}", "6:22", "30s"},
           {"ready: {modified_after: yesterday}", "6:29", "2026-11-21"},
           {"start_from: soon", "6:17", "no time"},
           {"batch: {files_max: many}", "6:24", "whole number"},
           {"batch: {files_max: 0}", "3:5", "1 or more"},
           {"batch: {bytes_max: 1XB}", "6:24", "512MiB"},
           {"batch: {bytes_max: 99999999999GiB}", "6:24", "512MiB"},
           {"run: {order: size}", "6:18", "name | time"},
           {"retry: {attempts_max: 0}", "3:5", "1 or more"},
           {"retry: {attempts_max: 99999999999}", "6:27", "at most"},
           {"metadata_columns: [_source_file, _source_fil]", "6:38", "did you mean \"_source_file\"?"},
           {"write: {mode: overwrite}", "6:19", "not available yet"},
           {"branch: dev", "6:13", "not available yet"},
           {"format_version: 3", "6:21", "not available yet"},
           {"sort_by: [a]", "6:14", "not available yet"},
           {"disposition: {done: move}", "6:25", "keep | delete | move:PATH | tag"},
           {"disposition: {done: \"move:x\"}\n    tracking: false", "3:5", "without tracking"},
           {"disposition: {failed: tag}", "3:5", "disposition.failed: tag: files of"},
           {"disposition: {failed: \"move:s3://b/x\"}", "3:5", "within their own store"},
           {"schedule: \"* * *\"", "3:5", "3 fields"},
           {"partition_by: {a: b}", "6:19", "single value"},
           {"table_properties: {a: [1]}", "6:27", "single value"},
           {"table_properties: {write.parquet.compression-codec: zip}", "3:5", "table_properties: "},
       }) {
    EXPECT_THAT(error_of(with(bad.line)), AllOf(StartsWith(std::string("sluice.yaml:") + bad.place + ": "), HasSubstr(bad.says)))
        << bad.line;
  }
  const std::string base = "ingestions:\n  o:\n    table: a.b\n    source: {paths: [x], ";
  EXPECT_THAT(error_of(base + "format: xml}\n"), AllOf(StartsWith("sluice.yaml:4:34: format:"), HasSubstr("auto | json | csv | tsv")));
  EXPECT_THAT(error_of(base + "csv: {delimiter: \"ab\"}}\n"), HasSubstr("one character"));
  EXPECT_THAT(error_of(base + "csv: {delimiter: \"'\", quote: \"'\"}}\n"), HasSubstr("same character"));
  EXPECT_THAT(error_of(base + "pahts: 1}\n"), HasSubstr("did you mean \"paths\"?"));
  EXPECT_THAT(error_of("ingestions:\n  o:\n    table: a.b\n    source: {paths: [x]}\n    on_change: replace\n"),
              AllOf(StartsWith("sluice.yaml:5:16: on_change:"), HasSubstr("not available yet")));
}

// A secret that does not resolve must stop the program; a dollar sign that means nothing must stay.
TEST(Config, SecretsComeFromEnvironmentAndFiles) {
  const std::filesystem::path secret = std::filesystem::temp_directory_path() / ("sluice-secret-" + new_uuid());
  std::ofstream(secret) << "s3cret\n";
  const auto system_of = [](const std::string& value) {
    return only("ingestions:\n  o:\n    table: a.b\n    on_change: append\n    source: {paths: [/x], source_system: '" + value + "'}\n")
        .sources.at(0)
        .source_system;
  };
  EXPECT_EQ(system_of("a ${env:KEY} b"), "a k3y b");
  EXPECT_EQ(system_of("${file:" + secret.string() + "}"), "s3cret");
  EXPECT_EQ(system_of("$${env:KEY} $5 $"), "${env:KEY} $5 $");
  std::filesystem::remove(secret);
  const std::string missing = error_of(with("start_from: '${file:none.txt}'"));
  EXPECT_THAT(missing, AllOf(StartsWith("sluice.yaml:6:17:"), HasSubstr("/conf/none.txt")));
  EXPECT_THAT(error_of(with("start_from: '${vault:x}'")), HasSubstr("${env:NAME}"));
  EXPECT_THAT(error_of(with("start_from: '${env:x'")), HasSubstr("without"));
}

// A profile changes what it names and nothing beside it; its own mistakes are found at their place.
TEST(Config, ProfilesAreLaidOver) {
  const std::string text =
      with("batch: {files_max: 5, bytes_max: 1MiB}") +
      "profiles:\n  dev:\n    ledger: sqlite:dev.db\n    ingestions: {orders: {batch: {files_max: 6}, table: dev.orders}}\n"
      "  bad:\n    ingestions: {orders: {tabel: x}}\n  worse: 5\n";
  EXPECT_EQ(only(text).batch.files_max, 5);
  EXPECT_EQ(only(text).table.text(), "bronze.orders");
  const Ingestion dev = only(text, "dev");
  EXPECT_EQ(dev.batch.files_max, 6);
  EXPECT_EQ(dev.batch.bytes_max, kMiB);
  EXPECT_EQ(dev.table.text(), "dev.orders");
  EXPECT_EQ(parse(text, "dev")->ledger_path(), "/conf/dev.db");
  EXPECT_THAT(error_of(text, "bad"), AllOf(StartsWith("sluice.yaml:12:27:"), HasSubstr("did you mean \"table\"?")));
  EXPECT_THAT(error_of(text, "worse"), StartsWith("sluice.yaml:13:10:"));
  EXPECT_THAT(error_of(text, "prod"), AllOf(HasSubstr("no profile \"prod\""), HasSubstr("dev, bad, worse")));
}

// A missing sluice.yaml must not pass as an empty one, and a folder not as a file.
TEST(Config, FilesAreReadAndMissingOnesNamed) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("sluice-config-" + new_uuid());
  std::filesystem::create_directories(folder);
  const std::string path = folder / "sluice.yaml";
  EXPECT_EQ(read_config(path, options()).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_config(folder, options()).error().code, ErrorCode::kInvalidInput);
  std::ofstream(path) << with("");
  const Config config = read_config(path, options()).value();
  EXPECT_THAT(config.ingestions.at(0).sources.at(0).paths, ElementsAre("file://" + folder.string() + "/in"));
  EXPECT_THAT(config.ingestion("order").error().message, HasSubstr("did you mean \"orders\"?"));
  std::filesystem::remove_all(folder);
}

// "From now" must not move with every run, or nothing would ever be loaded.
TEST(Config, StartFromNowIsTheTimeOfTheFirstRun) {
  Ingestion first = only(with("start_from: now"));
  ASSERT_TRUE(first.start_from_now);
  settle_start_from(first, std::nullopt, {100});
  EXPECT_EQ(first.start_from, Timestamp{100});
  Ingestion second = only(with("start_from: now"));
  settle_start_from(second, first, {200});
  EXPECT_EQ(second.start_from, Timestamp{100});
}

}  // namespace
}  // namespace sluice
