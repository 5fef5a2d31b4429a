#include "formats/sql_format.h"

#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/sql_listing.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct LoadedDump {
  std::vector<std::string> columns;  ///< "name type"
  std::vector<std::string> rows;     ///< values joined by '|'; `_rescued_data` last
  std::vector<BadRow> bad_rows;
  std::vector<std::string> warnings;
  std::string error;
};

LoadedDump load(const std::string& dump, SqlOptions sql = {}, BadRowAction action = BadRowAction::kFail) {
  Context context;
  LoadedDump loaded;
  const auto blob = make_memory_blob(dump);
  Source source;
  source.sql = sql;
  const auto inferred = sql_format().infer(*blob, 1 << 20, source, {}, context);
  if (!inferred) return {.error = inferred.error().message};
  ReadPlan plan{.sql = sql};
  plan.bad_rows.action = action;
  for (const Field& field : inferred->fields) {
    loaded.columns.push_back(field.name + " " + (field.type ? to_text(*field.type) : "none"));
    if (field.type) plan.columns.fields.push_back(field);
  }
  assign_field_ids(plan.columns.fields, 0);
  loaded.warnings = inferred->warnings;
  auto reader = sql_format().open(*blob, {}, plan, context);
  if (!reader) loaded.error = reader.error().message;
  while (reader) {
    auto block = (*reader)->next(context);
    if (!block) loaded.error = block.error().message;
    if (!block || !*block) break;
    EXPECT_TRUE((*block)->batch->ValidateFull().ok());
    for (int64_t row = 0; row < (*block)->batch->num_rows(); ++row) {
      std::string text;
      for (const auto& column : (*block)->batch->columns()) text += '|' + column->GetScalar(row).ValueOrDie()->ToString();
      loaded.rows.push_back(text.substr(1));
    }
    std::ranges::move((*block)->bad_rows, std::back_inserter(loaded.bad_rows));
  }
  return loaded;
}

constexpr char kPostgres[] = R"(-- PostgreSQL database dump
\restrict abc
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.users VALUES (99); END; $$;
CREATE TABLE public.users (
    id bigint NOT NULL,
    name character varying(20) DEFAULT 'a, b'::character varying,
    price numeric(9,2),
    ok boolean,
    at timestamp with time zone,
    data bytea,
    tags integer[],
    CONSTRAINT c CHECK ((id > 0))
);
COPY public.users (id, name, price, ok, at, data, tags) FROM stdin;
1	tab\there\\	1.50	t	2024-01-01 10:00:00+02	\\x0aff	{1,2}
2	\N	\N	f	\N	\N	\N
\.
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
)";

// Prevents a value of COPY from being taken as written, and what stands in a function's body from becoming a row.
TEST(SqlFormat, ReadsCopyOfPostgres) {
  const LoadedDump loaded = load(kPostgres);
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.columns,
              ElementsAre("id long", "name string", "price decimal(9,2)", "ok boolean", "at timestamptz", "data binary", "tags string"));
  ASSERT_THAT(loaded.rows, SizeIs(2));
  EXPECT_THAT(loaded.rows[0], HasSubstr("1|tab\there\\|1.50|true|2024-01-01 08:00:00"));
  EXPECT_THAT(loaded.rows[0], HasSubstr("0AFF|{1,2}|null"));
  EXPECT_THAT(loaded.rows[1], "2|null|null|false|null|null|null|null");
  EXPECT_THAT(loaded.warnings, ElementsAre(HasSubstr("integer[]")));
}

// Prevents MySQL's escapes, blobs and comments from being read as other databases mean them.
TEST(SqlFormat, ReadsExtendedInsertsOfMysql) {
  const LoadedDump loaded = load(
      "-- MySQL dump 10.13\n/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"
      "CREATE TABLE `t` (\n `id` int unsigned NOT NULL AUTO_INCREMENT,\n `s` varchar(9) CHARACTER SET utf8mb4 COMMENT 'a,(b',\n"
      " `b` blob,\n `f` bit(1),\n `at` timestamp NULL,\n PRIMARY KEY (`id`),\n KEY `k` (`s`(3))\n) ENGINE=InnoDB;\n"
      "INSERT INTO `t` VALUES (1,'it\\'s \\\"x\\\"\\n',_binary 'a\\0\xff',b'1','2024-01-01 10:00:00'),(2,'a''b\\\\',0x0A,b'0',NULL);\n");
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.columns, ElementsAre("id long", "s string", "b binary", "f boolean", "at timestamptz"));
  ASSERT_THAT(loaded.rows, SizeIs(2));
  EXPECT_THAT(loaded.rows[0], HasSubstr("1|it's \"x\"\n|6100FF|true|2024-01-01 10:00:00"));
  EXPECT_THAT(loaded.rows[1], "2|a'b\\|0A|false|null|null");
}

// Prevents SQLite's ways to write control characters from being refused, and a trigger's statements from becoming rows.
TEST(SqlFormat, ReadsTheDumpOfSqlite) {
  const LoadedDump loaded = load(
      "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS \"t\"(id INTEGER PRIMARY KEY, s TEXT, b BLOB, r REAL, x);\n"
      "INSERT INTO t VALUES(1,replace('a\\nb','\\n',char(10)),X'00ff',9.0e+999,5);\nINSERT INTO t "
      "VALUES(-2,unistr('a\\u00fc'),NULL,-0.5,NULL);\n"
      "CREATE TABLE sqlite_x(a);\nDELETE FROM sqlite_sequence;\nINSERT INTO sqlite_sequence VALUES('t',1);\n"
      "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO t VALUES(new.id); END;\nCOMMIT;\n");
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.columns, ElementsAre("id long", "s string", "b binary", "r double", "x long"));
  EXPECT_THAT(loaded.rows, ElementsAre("1|a\nb|00FF|inf|5|null", "-2|a\u00fc|null|-0.5|null|null"));
}

// Prevents a table from being chosen by chance, and a slip of the pen from loading nothing without a word.
TEST(SqlFormat, SaysWhichTablesThereAre) {
  const std::string dump = "CREATE TABLE a (x int); CREATE TABLE b (y int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2);";
  EXPECT_THAT(load(dump).error, testing::AllOf(HasSubstr("--sql-table"), HasSubstr("a, b")));
  EXPECT_THAT(load(dump, {.table = "b"}).rows, ElementsAre("2|null"));
  EXPECT_THAT(load(dump, {.table = "c"}).error, testing::AllOf(HasSubstr("no table \"c\""), HasSubstr("a, b")));
}

// Prevents an expression from being guessed, its row from being lost, and the rows behind it from being lost with it.
TEST(SqlFormat, NamesWhatItDoesNotUnderstand) {
  const std::string dump = "CREATE TABLE a (x int, y text);\nINSERT INTO a VALUES (1,'a'),\n(2,upper(concat('x',')'))),(3,'c');\n";
  EXPECT_THAT(load(dump).error, testing::AllOf(HasSubstr("line 3"), HasSubstr("upper")));
  const LoadedDump skipped = load(dump, {}, BadRowAction::kSkip);
  EXPECT_THAT(skipped.rows, ElementsAre("1|a|null", "3|c|null"));
  ASSERT_THAT(skipped.bad_rows, SizeIs(1));
  EXPECT_EQ(skipped.bad_rows[0].text, "(2,upper(concat('x',')')))");
  EXPECT_EQ(skipped.bad_rows[0].line, 3);
}

// Prevents a dump that was cut off from being taken for a whole one.
TEST(SqlFormat, RefusesADumpThatIsCutOff) {
  const std::string dump = kPostgres;
  EXPECT_THAT(load(dump.substr(0, dump.find("\\N\t\\N\t\\N\n\\."))).error, HasSubstr("cut off"));
  EXPECT_THAT(load("CREATE TABLE a (x int); INSERT INTO a VALUES (1),").error, HasSubstr("cut off"));
  EXPECT_THAT(load("CREATE TABLE a (x int); INSERT INTO a VALUES (1)").error, HasSubstr("cut off"));
}

// Prevents a file without tables from loading nothing.
TEST(SqlFormat, AFileWithoutTablesIsItsStatements) {
  const LoadedDump loaded = load("-- a comment\nSELECT 1 -- one\n;\n\nUPDATE t SET a = ';' WHERE b;\n");
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.rows, ElementsAre("1|SELECT 1 -- one|null", "2|UPDATE t SET a = ';' WHERE b|null"));
}

// Prevents text in another encoding from being loaded as if it were UTF-8.
TEST(SqlFormat, RefusesOtherEncodings) {
  EXPECT_THAT(load("SET NAMES latin1;\nCREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\n").error, HasSubstr("LATIN1"));
}

// Prevents a member from being opened at bytes that are not its own.
TEST(SqlListing, GivesTheBytesOfEachTable) {
  Context context;
  const std::string dump =
      "CREATE TABLE a (x int);\nCREATE TABLE b (y int);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\nINSERT INTO b VALUES (3);\n";
  const auto blob = make_memory_blob(dump);
  const auto listing = list_sql_tables(*blob->open({}, context), {}, context);
  ASSERT_TRUE(listing);
  ASSERT_THAT(listing->tables, SizeIs(2));
  const auto text = [&](ByteRange range) { return dump.substr(static_cast<size_t>(range.offset), static_cast<size_t>(range.length)); };
  EXPECT_EQ(text(listing->tables[0].definition), "CREATE TABLE a (x int);");
  EXPECT_EQ(text(listing->tables[0].data), "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n");
  EXPECT_EQ(text(listing->tables[1].data), "INSERT INTO b VALUES (3);\n");
}

}  // namespace
}  // namespace sluice
