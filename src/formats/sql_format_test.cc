#include "formats/sql_format.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/sql_dump.h"
#include "formats/sql_extract.h"
#include "formats/sql_head.h"
#include "formats/sql_listing.h"
#include "formats/sql_loading.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

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

// Prevents "END$$" from being taken for one word, and all behind a trigger or function from being lost with it.
TEST(SqlFormat, ADelimiterEndsTheWordItStandsBehind) {
  for (const char* delimiter : {"$$", "//", ";;", "##", "go_"}) {
    for (const char* last : {"END", "1", "0x10"}) {
      const LoadedDump loaded =
          load(fmt::format("-- MySQL dump 10.13\nCREATE TABLE t (x int);\nINSERT INTO t VALUES (1);\nDELIMITER {0}\n"
                           "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN\n INSERT INTO t VALUES (9); SET @a = 1; {1}{0}\n"
                           "CREATE TRIGGER h BEFORE INSERT ON t FOR EACH ROW BEGIN INSERT INTO t VALUES (8); END {0}\n"
                           "DELIMITER ;\nINSERT INTO t VALUES (2),(3);\n",
                           delimiter, last));
      EXPECT_EQ(loaded.error, "") << delimiter << last;
      EXPECT_THAT(loaded.rows, ElementsAre("1|null", "2|null", "3|null")) << delimiter << last;
    }
  }
}

// Prevents a delimiter from being overlooked where one read of the file ends within it.
TEST(SqlFormat, ADelimiterMayLieAcrossTwoReads) {
  const std::string text =
      "-- MySQL dump 10.13\nDELIMITER $$\nCREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 1; END$$\nINSERT INTO t VALUES "
      "(1),(2)$$\n"
      "SELECT 1$$\nINSERT INTO t VALUES (3)$$\n";
  for (size_t block_bytes = 64; block_bytes < text.size(); ++block_bytes) {
    Context context;
    SqlDump dump(*make_memory_blob(text)->open({}, context), {}, false, block_bytes);
    int64_t rows = 0;
    for (auto item = dump.next(context); item && *item != SqlItem::kEnd; item = dump.next(context)) rows += *item == SqlItem::kRow ? 1 : 0;
    EXPECT_EQ(rows, 3) << block_bytes;
  }
}

constexpr char kRowOne[] = "CREATE TABLE t (x int);\nINSERT INTO t VALUES (1);\n";
constexpr char kRowTwo[] = "CREATE TABLE u (y int);\nINSERT INTO t VALUES (2);\n";

/// The rows of t in a dump that begins with `head` and holds `created` before, between and behind its tables.
std::string rows_around(const std::string& head, const std::string& created) {
  std::string text;
  for (const std::string& dump :
       {head + created + kRowOne + kRowTwo, head + kRowOne + created + kRowTwo, head + kRowOne + kRowTwo + created}) {
    const LoadedDump loaded = load(dump, {.table = "t"});
    text += loaded.error + fmt::format("{} ", fmt::join(loaded.rows, ","));
  }
  return text;
}
constexpr char kBothRows[] = "1|null,2|null 1|null,2|null 1|null,2|null ";

// Prevents a name that is a keyword elsewhere (begin, case, end, event, trigger) from opening statements that never end, and tables behind
// it from being lost without a word.
TEST(SqlRoutine, NamesOfPostgresOpenNothing) {
  for (const char* created : {
           "CREATE FUNCTION f(begin date, trigger int) RETURNS int LANGUAGE sql AS $_$ SELECT 1; INSERT INTO t VALUES (9); $_$;\n",
           "CREATE OR REPLACE FUNCTION public.f(begin date) RETURNS int LANGUAGE sql AS 'SELECT 1; INSERT INTO t VALUES (9);';\n",
           "CREATE VIEW v AS SELECT a.begin, a.event, a.trigger, a.procedure FROM a;\n",
           "CREATE VIEW v AS SELECT a.event AS function, a.begin FROM a;\n",
           "CREATE TRIGGER g BEFORE UPDATE OF begin ON t FOR EACH ROW EXECUTE FUNCTION f();\n",
           "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON begin DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f();\n",
           "CREATE INDEX event ON a USING btree (begin);\n",
           "CREATE TYPE event AS ENUM ('begin');\n",
           "CREATE AGGREGATE agg(int) (SFUNC = begin, STYPE = int);\n",
           "CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql BEGIN ATOMIC\n SELECT CASE WHEN a.begin THEN 1 ELSE 2 END AS x FROM a;\n"
           " INSERT INTO t VALUES (9);\nEND;\n",
       }) {
    EXPECT_EQ(rows_around("-- PostgreSQL database dump\n", created), kBothRows) << created;
    EXPECT_EQ(rows_around("", created), kBothRows) << created;
  }
}

// Prevents NEW.end and CASE ... END from ending a trigger, and the statements behind them from being loaded as rows.
TEST(SqlRoutine, ATriggerOfSqliteEndsAtItsEnd) {
  for (const char* created : {
           "CREATE TRIGGER g AFTER UPDATE OF begin, end ON a BEGIN UPDATE a SET x = NEW.end; INSERT INTO t VALUES (9); END;\n",
           "CREATE TEMP TRIGGER g AFTER INSERT ON a WHEN NEW.begin BEGIN SELECT end FROM a; INSERT INTO t VALUES (9); END;\n",
           "CREATE TRIGGER begin AFTER INSERT ON begin BEGIN\n INSERT INTO t SELECT CASE x WHEN 1 THEN 2 END FROM a;\n"
           " INSERT INTO t VALUES (9);\n INSERT INTO t VALUES (9);\nEND /* of g */ ;\n",
           "CREATE VIEW v AS SELECT a.event, begin FROM a;\n",
           "CREATE INDEX trigger ON a (begin);\n",
       }) {
    EXPECT_EQ(rows_around("PRAGMA foreign_keys=OFF;\n", created), kBothRows) << created;
    EXPECT_EQ(rows_around("", created), kBothRows) << created;
  }
}

// Prevents the account of DEFINER from hiding a trigger, END IF from ending it, and statements of one without a delimiter from being
// loaded.
TEST(SqlRoutine, MysqlNestsBlocks) {
  const std::string body =
      "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; IF NEW.x THEN INSERT INTO t VALUES (9); END IF;"
      " CASE NEW.end WHEN 1 THEN INSERT INTO t VALUES (9); END CASE; SET @a = CASE 1 WHEN 1 THEN 2 END; INSERT INTO t VALUES (9); END";
  for (const char* definer : {"", "DEFINER=`event`@`%` ", "DEFINER = trigger@event.example ", "DEFINER=CURRENT_USER() ", "OR REPLACE "}) {
    const std::string create = fmt::format("CREATE {}TRIGGER g BEFORE INSERT ON t FOR EACH ROW {}", definer, body);
    EXPECT_EQ(rows_around("-- MySQL dump 10.13\n", create + ";\n"), kBothRows) << create;
    EXPECT_EQ(rows_around("-- MySQL dump 10.13\n", "DELIMITER $$\n" + create + "$$\nDELIMITER ;\n"), kBothRows) << create;
  }
  EXPECT_EQ(rows_around("-- MySQL dump 10.13\n", "CREATE DEFINER=a@b SQL SECURITY DEFINER VIEW v AS SELECT a.event, a.begin FROM a;\n"),
            kBothRows);
}

// Prevents a trigger whose end is not found from taking the tables behind it along without a word.
TEST(SqlRoutine, AnEndThatIsNotThereIsAnError) {
  const std::string trigger = "CREATE TRIGGER g AFTER INSERT ON a BEGIN INSERT INTO t VALUES (9); ";
  for (const char* head : {"PRAGMA foreign_keys=OFF;\n", "-- MySQL dump 10.13\n", "\n"}) {
    EXPECT_THAT(load(head + trigger + kRowOne).error,
                testing::AllOf(HasSubstr("line 2: the statements of the trigger"), HasSubstr("--sql-dialect")));
    EXPECT_EQ(load(std::string(head) + kRowOne + trigger + "END").error, "");
  }
}

// Prevents a column that the database computes from moving the values behind it, and from being lost where its values are there.
TEST(SqlFormat, ReadsWhatTheDatabaseComputesWhereItIsThere) {
  const std::string table = "CREATE TABLE a (x int, twice int GENERATED ALWAYS AS (x * 2) STORED, y text);\nINSERT INTO a ";
  const LoadedDump with = load(table + "VALUES (1,2,'a');");
  EXPECT_THAT(with.columns, ElementsAre("x int", "y string", "twice int"));
  EXPECT_THAT(with.rows, ElementsAre("1|a|2|null"));
  EXPECT_THAT(with.warnings, IsEmpty());
  for (const char* rows : {"VALUES (1,'a');", "VALUES (1,DEFAULT,'a');", "(y, x) VALUES ('a',1);"}) {
    const LoadedDump without = load(table + rows);
    EXPECT_THAT(without.columns, ElementsAre("x int", "y string")) << rows;
    EXPECT_THAT(without.rows, ElementsAre("1|a|null")) << rows << without.error;
    EXPECT_THAT(without.warnings, ElementsAre(HasSubstr("twice is computed"))) << rows;
  }
}

// Prevents a row from being bent until it fits: what a fixed table does not have, or cannot hold, fails the file and names the column.
TEST(SqlFormat, AFixedTableRefuses) {
  const std::string table = "CREATE TABLE a (x int, twice int AS (x * 2));\nINSERT INTO a VALUES ";
  ReadPlan plan{.rescue = false};
  plan.columns.fields = {{.id = 1, .name = "x", .type = make_type(TypeId::kInt)}};
  const auto error_of = [&](const std::string& rows) {
    Context context;
    const auto blob = make_memory_blob(table + rows);
    const auto block = (*sql_format().open(*blob, {}, plan, context))->next(context);
    return block ? "" : block.error().type + ": " + block.error().message;
  };
  EXPECT_EQ(error_of("(1);"), "");
  EXPECT_THAT(error_of("(1,2);"), HasSubstr("SchemaMismatch: line 2: the table has no column \"twice\""));
  EXPECT_THAT(error_of("('y');"), HasSubstr("SchemaMismatch: line 2: column \"x\": \"y\" does not fit int"));
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
  EXPECT_THAT(loaded.rows, ElementsAre("2|SELECT 1 -- one|null", "5|UPDATE t SET a = ';' WHERE b|null"));
}

// Prevents text in another encoding from being loaded as if it were UTF-8.
TEST(SqlFormat, RefusesOtherEncodings) {
  EXPECT_THAT(load("SET NAMES latin1;\nCREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\n").error, HasSubstr("LATIN1"));
}

// Prevents a column's name in another encoding from making `_rescued_data` text that no reader accepts.
TEST(SqlFormat, RefusesNamesInOtherEncodings) {
  EXPECT_THAT(load("CREATE TABLE a (x int, \"n\xe4me\" int);\nINSERT INTO a VALUES (1,2);\n").error,
              HasSubstr("line 2: the name of column"));
}

// Prevents files of other formats from being taken for dumps, and dumps without a telling name from being refused.
TEST(SqlHead, KnowsADumpByItsBeginning) {
  for (const char* dump : {kPostgres, "/*!40101 SET NAMES utf8 */;\n", "-- MySQL dump 10.13  Distrib 8.0\n--\n",
                           "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(", "insert into t (a, b) values (1,",
                           "\n\nCREATE TABLE IF NOT EXISTS `a`.`b` (\n", "SET a = 1;\nCOPY t FROM stdin;\n1\n"}) {
    EXPECT_TRUE(looks_like_sql(dump)) << dump;
  }
  for (const char* other :
       {"", "id,name\n1,a\n", "create,insert\n1,2\n", "Create a table of contents (see below)\n", "-- a title --\nid;name\n1;a\n",
        "SET a = 1;\nhello\n", "insert into the box\n", "--- \ntitle: x\n---\nSELECT 1;", "set,names\n"}) {
    EXPECT_FALSE(looks_like_sql(other)) << other;
  }
}

// Prevents a table from being cut out with statements of another one, or of none: a new date in a comment would make it a new version.
TEST(SqlListing, GivesThePiecesOfEachTable) {
  const std::string dump =
      "CREATE TABLE a (x int);\nCREATE TABLE b (y int);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n-- of b, 2024-01-01\n"
      "INSERT INTO b VALUES (3);\nLOCK TABLES a WRITE;\nINSERT INTO a VALUES (4),\n(5);\nDELETE FROM c;\n-- done\n";
  const auto tables = list(dump);
  ASSERT_THAT(tables, SizeIs(2));
  EXPECT_EQ(tables[0].definition, "CREATE TABLE a (x int)");
  ASSERT_THAT(tables[0].rows, SizeIs(2));
  EXPECT_EQ(text(dump, tables[0].rows[0]), "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);");
  EXPECT_EQ(text(dump, tables[0].rows[1]), "INSERT INTO a VALUES (4),\n(5);");
  EXPECT_EQ(tables[0].rows[1].line, 8);
  ASSERT_THAT(tables[1].rows, SizeIs(1));
  EXPECT_EQ(text(dump, tables[1].rows[0]), "INSERT INTO b VALUES (3);");
}

// Prevents rows of COPY from being cut off, and settings of the dump from being lost where a table is cut out of it.
TEST(SqlListing, KeepsWhatHoldsForAPiece) {
  const std::string dump =
      "SET standard_conforming_strings = off;\n\\connect shop\nCREATE TABLE a (x text);\nCOPY a (x) FROM stdin;\n1\n\\.\n"
      "SET standard_conforming_strings = on;\nINSERT INTO a VALUES ('\\n');\n";
  const auto tables = list(dump);
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_EQ(tables[0].name.text(), "shop.a");
  EXPECT_EQ(tables[0].definition_piece.settings, "SET standard_conforming_strings = off;\nUSE `shop`;\n");
  ASSERT_THAT(tables[0].rows, SizeIs(2));
  EXPECT_EQ(text(dump, tables[0].rows[0]), "COPY a (x) FROM stdin;\n1\n\\.\n");
  EXPECT_EQ(tables[0].rows[0].settings, "");
  EXPECT_EQ(tables[0].rows[1].settings, "SET standard_conforming_strings = on;\n");
}

// Prevents an error of a table that was cut out from naming a line of the copy, which nobody can look at.
TEST(SqlExtract, ErrorsNamePlacesOfTheDump) {
  const std::string extract = sql_extract_line(DumpDialect::kMysql) + sql_place_line({10, 500}) + "CREATE TABLE `a` (x int);\n" +
                              sql_place_line({70, 9000}) + "INSERT INTO a VALUES (1),\n(now());\n";
  EXPECT_TRUE(looks_like_sql(extract));
  EXPECT_THAT(load(extract).error, testing::AllOf(HasSubstr("line 71: \"now\""), HasSubstr("(byte 9027)")));
  EXPECT_THAT(load(extract).columns, ElementsAre("x int"));
}

// Prevents one value, one definition or one statement from taking all memory.
TEST(SqlFormat, RefusesWhatIsAboveItsLimit) {
  const std::string large(static_cast<size_t>(kRowBytesMax) + 1, 'x');
  const std::string table = "CREATE TABLE a (x text, y text);\n";
  EXPECT_THAT(load(table + "INSERT INTO a VALUES (1,'" + large + "');").error, HasSubstr("line 2: a value above the limit of 64 MiB"));
  EXPECT_THAT(load(table + "COPY a FROM stdin;\n" + large + "\n\\.\n").error, HasSubstr("line 3: a line above the limit of 64 MiB"));
  EXPECT_THAT(load("SELECT '" + large + "';").error, HasSubstr("line 1: a value above the limit of 64 MiB"));
  const std::string half(large.size() / 2, 'x');
  EXPECT_THAT(load(table + "INSERT INTO a VALUES ('" + half + "','" + half + "x');").error, HasSubstr("a row above the limit of 64 MiB"));
  EXPECT_THAT(load("SELECT '" + half + "', '" + half + "';").error, HasSubstr("a statement above the limit of 64 MiB"));
  const std::string many(10'000, 'x');
  const std::string grown = "replace('" + many + "','x','" + many + "')";
  const std::string nested = "replace('" + many + "','" + many + "','" + many + "x')";
  EXPECT_THAT(load(table + "INSERT INTO a VALUES (1," + grown + ");").error, HasSubstr("line 2: a value above the limit of 64 MiB"));
  const std::string little(1000, 'x');
  const std::string growing = "replace(replace('" + little + "','x','" + little + "'),'x','" + little + "')";
  EXPECT_THAT(load(table + "INSERT INTO a VALUES (1," + growing + ");").error, HasSubstr("line 2: a value above the limit of 64 MiB"));
  EXPECT_THAT(load(table + "INSERT INTO a VALUES (1,replace('" + half + "x','y','" + half + "'));").error,
              HasSubstr("a value above the limit"));
  EXPECT_EQ(load(table + "INSERT INTO a VALUES (1," + nested + ");").error, "");
  Context context;
  const auto listing = list_sql_tables(
      *make_memory_blob("CREATE TABLE a (x int /* " + std::string(kSqlDefinitionBytesMax, 'x') + " */);")->open({}, context), {}, context);
  ASSERT_FALSE(listing);
  EXPECT_THAT(listing.error().message, HasSubstr("a CREATE TABLE above the limit of 1 MiB"));
}

}  // namespace
}  // namespace sluice
