#include "config/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"
#include "config/load_options.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Confusing MB with MiB, or letting an overflow pass, sets a limit that nobody wrote.
TEST(Fields, SizesHaveUnits) {
  EXPECT_EQ(parse_size_bytes("1GiB").value(), kGiB);
  EXPECT_EQ(parse_size_bytes("500MB").value(), 500'000'000);
  EXPECT_EQ(parse_size_bytes(" 64 KiB ").value(), 64 * kKiB);
  EXPECT_EQ(parse_size_bytes("4096").value(), 4096);
  for (const char* bad : {"", "GiB", "1.5GiB", "-1", "1 gb", "9999999999GiB", "1GiBs"}) EXPECT_FALSE(parse_size_bytes(bad)) << bad;
}

// "5" once meant seconds here and minutes there: without a unit it is refused.
TEST(Fields, DurationsHaveUnits) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_duration("30s").value(), 30s);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("250ms").value(), 250ms);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("2d").value(), 48h);
  EXPECT_EQ(parse_duration("0").value(), 0s);
  EXPECT_EQ(parse_duration("0s").value(), 0s);
  for (const char* bad : {"", "5", "s", "-1s", "1s2", "9223372036854775807d", "1 week"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

// A table whose namespace is guessed ends up somewhere else.
TEST(Fields, TablesNameCatalogAndNamespace) {
  const std::vector<std::string> catalogs = {"lake", "local"};
  const TableRef plain = parse_table_ref("bronze.orders", catalogs).value();
  EXPECT_EQ(plain.catalog, "local");
  EXPECT_EQ(plain.text(), "bronze.orders");
  const TableRef lake = parse_table_ref("lake.bronze.raw.orders", catalogs).value();
  EXPECT_EQ(lake.catalog, "lake");
  EXPECT_THAT(lake.ns, ElementsAre("bronze", "raw"));
  EXPECT_EQ(parse_table_ref("a.b.c", catalogs)->text(), "a.b.c");
  EXPECT_EQ(parse_table_ref("a.b", std::vector<std::string>{"lake"})->catalog, "lake");
  EXPECT_THAT(parse_table_ref("a.b", std::vector<std::string>{"x", "y"}).error().message, HasSubstr("x, y"));
  EXPECT_THAT(parse_table_ref("events", catalogs).error().message, AllOf(HasSubstr("events"), HasSubstr("namespace")));
  EXPECT_THAT(parse_table_ref("lake.orders", catalogs).error().message, HasSubstr("lake.NAMESPACE.orders"));
  for (const char* bad : {"", ".a", "a.", "a..b"}) EXPECT_FALSE(parse_table_ref(bad, catalogs)) << bad;
}

// A far-fetched suggestion sends people the wrong way.
TEST(Fields, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string_view> known = {"table", "tracking", "run"};
  EXPECT_EQ(did_you_mean("tabel", known), "; did you mean \"table\"?");
  EXPECT_EQ(did_you_mean("zzzzz", known), "");
  EXPECT_EQ(did_you_mean("xyz", known), "");
}

// Objects that the next run would load as files, a target that is neither table nor objects, or both, and a table's defaults for objects.
TEST(LoadOptions, ParquetIsATargetOfItsOwn) {
  const auto build = [](std::vector<std::string> paths, const std::string& parquet, const std::string& table = "") {
    return build_ingestion({.paths = std::move(paths), .table = table, .parquet = parquet}, std::vector<std::string>{"local"});
  };
  const auto built = build({"/in"}, "s3://b/out/");
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(built->parquet->prefix, "s3://b/out");
  EXPECT_EQ(built->name, "s3://b/out");
  EXPECT_EQ(built->target_text(), "s3://b/out");
  EXPECT_TRUE(built->metadata_columns.empty());
  EXPECT_EQ(built->batch.files_max, 64);
  const auto stored = parse_ingestion(to_json(*built));
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->parquet, built->parquet);

  EXPECT_FALSE(build({"/in"}, ""));
  EXPECT_FALSE(build({"/in"}, "/out", "ns.t"));
  EXPECT_FALSE(build({"/in"}, "/in/out"));
  EXPECT_FALSE(build({"/in/**"}, "/in/out"));
  EXPECT_FALSE(build({"/in/**/*.parquet"}, "/in/out"));
  EXPECT_TRUE(build({"/in/**/*.csv"}, "/in/out"));
  EXPECT_TRUE(build({"/in/*.csv"}, "/in/out"));
}

// Flags and file build the same value: what one of them forgets is a setting without effect.
TEST(LoadOptions, EveryFlagArrives) {
  const std::vector<std::string> catalogs = {"lake", "local"};
  const LoadOptions options{.paths = {"/in/*.csv", "s p"},
                            .table = "bronze.orders",
                            .catalog = "lake",
                            .name = "orders",
                            .format = "csv",
                            .partition_by = {"day(ts)"},
                            .no_tracking = true,
                            .delimiter = "\\t",
                            .quote = "'",
                            .header = false,
                            .null_tokens = {"NA"},
                            .sql_table = "users",
                            .sql_dialect = "sqlite",
                            .schema_mode = "fixed",
                            .contract = "/c.yaml",
                            .strict_mode = true,
                            .on_change = "ignore",
                            .on_bad_row = "skip",
                            .bad_rows_max = "1%",
                            .min_age = "30s",
                            .marker = "_SUCCESS",
                            .ignore = {"*.bak"},
                            .modified_after = "2026-01-01",
                            .start_from = "2026-01-02",
                            .batch_files_max = "5",
                            .batch_bytes_max = "1MiB",
                            .run_files_max = "6",
                            .order = "time",
                            .retry_attempts_max = "7",
                            .metadata_columns = "_source_file,_batch_id"};
  const Result<Ingestion> built = build_ingestion(options, catalogs);
  ASSERT_TRUE(built) << built.error().message;
  const Ingestion& i = *built;
  EXPECT_EQ(i.managed_by, "cli");
  EXPECT_EQ(i.name, "orders");
  EXPECT_EQ(i.table.catalog, "lake");
  EXPECT_EQ(i.table.text(), "bronze.orders");
  const Source& source = i.sources.at(0);
  EXPECT_EQ(source.id, SourceId("main"));
  EXPECT_EQ(source.paths.at(0), "file:///in/*.csv");
  EXPECT_TRUE(source.paths.at(1).starts_with("file:///") && source.paths.at(1).ends_with("/s p"));
  EXPECT_EQ(source.format, "csv");
  EXPECT_EQ(source.csv.delimiter, '\t');
  EXPECT_EQ(source.csv.quote, '\'');
  EXPECT_EQ(source.csv.header, false);
  EXPECT_THAT(source.csv.null_tokens, ElementsAre("NA"));
  EXPECT_EQ(source.sql.table, "users");
  EXPECT_EQ(source.sql.dialect, DumpDialect::kSqlite);
  EXPECT_THAT(i.partition_by, ElementsAre("day(ts)"));
  EXPECT_FALSE(i.tracking);
  EXPECT_EQ(i.schema.mode, SchemaMode::kFixed);
  EXPECT_EQ(i.schema.contract, "/c.yaml");
  EXPECT_TRUE(i.schema.strict_mode);
  EXPECT_EQ(i.on_change, OnChange::kIgnore);
  EXPECT_EQ(i.on_bad_row.action, BadRowAction::kSkip);
  EXPECT_EQ(i.on_bad_row.percent_max, 1.0);
  EXPECT_EQ(i.ready.min_age, std::chrono::seconds(30));
  EXPECT_EQ(i.ready.marker, "_SUCCESS");
  EXPECT_THAT(i.ready.ignore, ElementsAre("*.bak"));
  EXPECT_EQ(i.ready.modified_after, parse_timestamp("2026-01-01"));
  EXPECT_EQ(i.start_from, parse_timestamp("2026-01-02"));
  EXPECT_EQ(i.batch.files_max, 5);
  EXPECT_EQ(i.batch.bytes_max, kMiB);
  EXPECT_EQ(i.run_files_max, 6);
  EXPECT_EQ(i.run_order, "time");
  EXPECT_EQ(i.retry_attempts_max, 7);
  EXPECT_THAT(i.metadata_columns, ElementsAre("_source_file", "_batch_id"));
}

// A wrong flag must be named: the message of a value alone does not say which of ten it was.
TEST(LoadOptions, DefaultsAndMistakes) {
  const std::vector<std::string> catalogs = {"local"};
  const Ingestion plain = build_ingestion({.paths = {"/in"}, .table = "a.b"}, catalogs).value();
  EXPECT_EQ(plain.name, "a.b");
  EXPECT_TRUE(plain.tracking);
  EXPECT_THAT(plain.metadata_columns, ElementsAre("_source_file"));
  EXPECT_TRUE(build_ingestion({.paths = {"/in"}, .table = "a.b", .start_from = "now", .metadata_columns = ""}, catalogs)->start_from_now);
  const auto error = [&](LoadOptions options) {
    if (options.table.empty()) options.table = "a.b";
    return build_ingestion(options, catalogs).error().message;
  };
  EXPECT_THAT(error({.paths = {""}}), HasSubstr("empty"));
  EXPECT_THAT(error({.table = "events"}), AllOf(HasSubstr("--table"), HasSubstr("namespace")));
  EXPECT_THAT(error({.catalog = "locl"}), AllOf(HasSubstr("--catalog"), HasSubstr("did you mean \"local\"?")));
  EXPECT_THAT(error({.format = "excel"}), AllOf(HasSubstr("--format"), HasSubstr("excel")));
  EXPECT_THAT(error({.min_age = "5"}), HasSubstr("--min-age"));
  EXPECT_THAT(error({.bad_rows_max = "x"}), HasSubstr("--bad-rows-max"));
  EXPECT_THAT(error({.bad_rows_max = "5"}), HasSubstr("skip"));
  EXPECT_THAT(error({.on_change = "replace"}), HasSubstr("not available yet"));
}

}  // namespace
}  // namespace sluice
