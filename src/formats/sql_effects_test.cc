#include "formats/sql_effects.h"

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/sql_dump.h"
#include "formats/sql_known_tables.h"
#include "formats/sql_loading.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kOneRow[] = "CREATE TABLE t (x int, y int);\nINSERT INTO t VALUES (1,2);\n";

/// What loading table t says, which is the same where it was cut out of the dump.
std::string error_of_t(const std::string& dump) {
  std::string error = load(dump, {.table = "t"}).error;
  for (const SqlTableEntry& table : list(dump)) {
    if (!table.name.is_called("t")) continue;
    EXPECT_EQ(load(extract(dump, table)).error, error) << extract(dump, table);
  }
  return error;
}

/// Of t, as the converter shows them.
std::string rows_of_t(const std::string& dump) {
  const LoadedDump loaded = load(dump, {.table = "t"});
  return fmt::format("{}{}", loaded.error, fmt::join(loaded.rows, ","));
}

// Prevents rows that were dropped from being loaded beside those that came after them: two dumps in one file doubled a table. A drop
// before any row empties nothing, and makes no table.
TEST(SqlFormat, ADropBehindRowsIsNotPassedOver) {
  const std::string dump = "DROP TABLE IF EXISTS a, old;\nCREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\n";
  for (const char* table : {"", "a"}) {
    EXPECT_THAT(load(dump, {.table = table}).rows, ElementsAre("1|null"));
    EXPECT_THAT(load(dump + "DROP TABLE old, olds;", {.table = table}).rows, ElementsAre("1|null"));
    EXPECT_THAT(load(dump + dump, {.table = table}).error, HasSubstr("line 4: DROP TABLE behind rows is not understood"));
    EXPECT_THAT(load(dump + "TRUNCATE old, ONLY a;", {.table = table}).error, HasSubstr("line 4: TRUNCATE of rows is not understood"));
    EXPECT_THAT(load("USE d;\n" + dump, {.table = table}).rows, ElementsAre("1|null"));
    EXPECT_EQ(load("DROP TABLE a;\nUSE d;\n" + dump, {.table = table}).error, "");
  }
  EXPECT_THAT(load(dump, {.table = "old"}).error, testing::AllOf(HasSubstr("no table \"old\""), HasSubstr("there is: a")));
}

// Prevents a table whose rows are not in the dump from being loaded as one without rows.
TEST(SqlFormat, RowsThatAreNotThereAreMissed) {
  for (const char* filled : {"COPY t FROM '/data/t.csv';", "COPY t (x) FROM PROGRAM 'x' WITH CSV;",
                             "LOAD DATA LOCAL INFILE 't.csv' IGNORE INTO TABLE t FIELDS TERMINATED BY ',';",
                             "CREATE TABLE t AS SELECT 1 AS x;", "CREATE TEMP TABLE t (x) WITH (fillfactor = 70) AS TABLE u;",
                             "CREATE TABLE t (x int) ENGINE=InnoDB SELECT 1 AS x;", "INSERT INTO t SELECT 1;"}) {
    for (const char* table : {"", "t"}) {
      EXPECT_THAT(load(std::string("-- one\n") + filled, {.table = table}).error,
                  testing::AllOf(HasSubstr("line 2: "), HasSubstr("is not understood")))
          << filled;
    }
  }
  for (const char* empty : {"COPY t TO '/data/t.csv';", "LOAD 'library';", "CREATE TABLE u LIKE t;", "CREATE TABLE u (LIKE t);",
                            "CREATE TABLE u (y int AS (x)) PARTITION BY RANGE (y) (PARTITION p VALUES LESS THAN (7));"}) {
    const LoadedDump loaded = load(std::string("CREATE TABLE t (x int);\n") + empty, {.table = "t"});
    EXPECT_THAT(loaded.columns, ElementsAre("x int")) << empty;
    EXPECT_EQ(loaded.error, "") << empty;
  }
}

// Prevents a statement that drops several tables from being cut in two, or from spoiling the extract of one with the names of the others.
TEST(SqlListing, AStatementOfSeveralTablesIsInEach) {
  const std::string dump = "DROP TABLE a, b;\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (2);\nDROP TABLE b, a, b;\n-- done\n";
  const auto tables = list(dump);
  ASSERT_THAT(tables, SizeIs(2));
  for (const SqlTableEntry& table : tables) {
    const std::string cut_out = extract(dump, table);
    EXPECT_THAT(cut_out, HasSubstr("DROP TABLE b, a, b;\n")) << table.name.text();
    EXPECT_THAT(load(cut_out).error, HasSubstr("line 4: DROP TABLE behind rows is not understood")) << table.name.text();
  }
}

// Prevents the rows that psql copies from a file from being missed without a word, and those behind `\copy ... from stdin` from being read
// as statements.
TEST(SqlCommand, SlashCopyIsACopy) {
  for (const char* copy :
       {"\\copy t from 't.csv'", "\\copy t (y, x) FROM 'C:\\t.csv' with (format csv)", "\\copy t from program 'cat; x' csv;",
        "\\copy \"t\" from pstdin", "\\copy t from '/a/it''s.csv' (delimiter ';')\r"}) {
    EXPECT_THAT(error_of_t(std::string("-- one\n") + copy + "\nSELECT 1;\n"),
                HasSubstr("line 2: \\copy from a file is not understood: its rows are not in the dump (byte 7)"))
        << copy;
    EXPECT_THAT(error_of_t(kOneRow + std::string(copy) + "\nINSERT INTO t VALUES (3,4);\n"), HasSubstr("line 3: \\copy from a file"))
        << copy;
  }
  for (const char* copy : {"\\copy t from stdin", "\\copy t (x, y) FROM STDIN;\r", "\\copy public.\"t\" from stdin"}) {
    const std::string dump = fmt::format("CREATE TABLE {0} (x int, y int);\n{1}\n3\t4\n\\.\nINSERT INTO {0} VALUES (5,6);\n",
                                         std::string_view(copy).contains('.') ? "public.t" : "t", copy);
    EXPECT_EQ(rows_of_t(dump), "3|4|null,5|6|null") << copy;
    const auto tables = list(dump);
    ASSERT_THAT(tables, SizeIs(1));
    EXPECT_EQ(load(extract(dump, tables[0])).rows, load(dump).rows);
    EXPECT_THAT(load(extract(dump + "\\copy " + tables[0].name.text() + " from stdin\n7\n\\.\n", list(dump)[0])).error, "");
  }
  for (const char* copy :
       {"\\copy t to 't.csv'", "\\copy (select x from t) to stdout", "\\copy t to program 'cat > t from stdin'", "\\c"}) {
    EXPECT_EQ(rows_of_t(kOneRow + std::string(copy) + "\nINSERT INTO t VALUES (3,4);\n"), "1|2|null,3|4|null") << copy;
  }
  EXPECT_THAT(load("\\copy t from stdin with csv\n1\n\\.\n").error, HasSubstr("line 1: COPY with options is not understood"));
  EXPECT_THAT(load(std::string(kOneRow) + "\\copy \"t from stdin\n1\n\\.\n").error,
              HasSubstr("line 3: the quote that opens in the line of \\copy"));
  EXPECT_THAT(load("\\copy t (" + std::string(1 << 20, 'x') + ") from stdin\n1\n\\.\n").error,
              HasSubstr("line 1: a \\copy above the limit"));
}

// Prevents a bad row of COPY from being looked for in the line before it, where its table was cut out of the dump.
TEST(SqlListing, APieceBeginsInTheLineOfItsStatement) {
  for (const char* rows :
       {"COPY t FROM stdin;\n1\t2\nx\n\\.\n", "\\copy t from stdin\n1\t2\nx\n\\.\n", "INSERT INTO t VALUES\n(1,2),\n(x);\n"}) {
    EXPECT_THAT(error_of_t(std::string("CREATE TABLE t (x int, y int);\n") + rows), HasSubstr("line 4: ")) << rows;
  }
}

// Prevents a table from being converted by a definition that was replaced before its rows came.
TEST(SqlListing, TheLastDefinitionBeforeRowsHolds) {
  const std::string dump =
      "CREATE TABLE t (old text);\nUSE d;\nCREATE TABLE t (x int);\nDROP TABLE t;\nUSE e;\nUSE d;\nCREATE TABLE t (y int);\n"
      "INSERT INTO t VALUES (1);\n";
  const auto tables = list(dump);
  ASSERT_THAT(tables, SizeIs(2));
  EXPECT_EQ(tables[1].definition, "CREATE TABLE t (y int)");
  EXPECT_THAT(load(extract(dump, tables[1])).columns, ElementsAre("y int"));
  EXPECT_THAT(load(dump, {.table = "d.t"}).columns, ElementsAre("y int"));
}

// Prevents a dump that is in several files from being loaded as if it were whole: the file that a client would read here is not read.
TEST(SqlCommand, WhatAnotherFileHoldsIsMissed) {
  for (const char* line :
       {"\\i rows.sql", "\\ir rows.sql", "\\include 'rows.sql'", "\\include_relative rows.sql", "source rows.sql", "SOURCE /tmp/rows.sql;",
        "\\. rows.sql", ".read rows.sql", ".import rows.csv t", ".imp rows.csv t", ".restore x.db"}) {
    const std::string name(std::string_view(line).substr(0, std::string_view(line).find(' ')));
    const std::string error = load(kOneRow + std::string(line) + "\nSELECT 1;\n", {.table = "t"}).error;
    EXPECT_THAT(error, AllOf(HasSubstr("line 3: \""), HasSubstr("brings what another file holds"), HasSubstr("(byte 59)"))) << line;
    EXPECT_THAT(load(kOneRow + std::string(line) + "\n").error, HasSubstr("line 3: ")) << line;
  }
  for (const char* line : {"\\echo \\i rows.sql", "\\.", "\\if true", "SELECT source FROM t;", "SELECT 1 source ;", "SELECT\n.5;"}) {
    EXPECT_EQ(rows_of_t(kOneRow + std::string(line) + "\nINSERT INTO t VALUES (3,4);\n"), "1|2|null,3|4|null") << line;
  }
}

// Prevents the statement behind a line for SQLite's shell from being taken for its rest, and a dot within a statement from hiding one.
TEST(SqlCommand, LinesForSqlitesShellArePassedOver) {
  for (const char* line : {".headers on", ".mode insert 'x", ".print ;", ".", ".timeout 5", ".schema \"t"}) {
    const std::string more = std::string(line) + "\nINSERT INTO t VALUES (3,4);\n" + line + "\n";
    EXPECT_EQ(rows_of_t(kOneRow + more), "1|2|null,3|4|null") << line;
    EXPECT_EQ(rows_of_t(line + std::string("\n") + kOneRow + line), "1|2|null") << line;
    EXPECT_EQ(rows_of_t("\xef\xbb\xbf" + std::string(line) + "\n" + kOneRow), "1|2|null") << line;
    const std::string dump = kOneRow + more;
    const auto tables = list(dump);
    EXPECT_EQ(load(extract(dump, tables.at(0))).rows, load(dump).rows) << line;
  }
  EXPECT_EQ(rows_of_t("INSERT INTO main\n.t VALUES (3);\nINSERT INTO main.\nt\nVALUES (5);\n"), "3|null,5|null");
  EXPECT_EQ(rows_of_t(std::string(kOneRow) + "; .print x; INSERT INTO t VALUES (3,4);\n"), "1|2|null,3|4|null");
}

// Prevents a table that a query fills from being missed, and variables, files and functions from being taken for one.
TEST(SqlEffects, SelectIntoFillsATable) {
  for (const char* select :
       {"SELECT 1 AS x INTO t;", "SELECT * INTO TEMP t FROM u WHERE a IN (SELECT 1);", "select (select 1) into unlogged table t;",
        "SELECT x INTO TEMPORARY TABLE t FROM u UNION SELECT 2;", "WITH u AS (SELECT 1) SELECT * INTO t FROM u;"}) {
    EXPECT_THAT(error_of_t(std::string("-- one\n") + select), HasSubstr("line 2: SELECT INTO is not understood")) << select;
  }
  for (const char* select : {"SELECT x INTO OUTFILE 't' FROM t;", "SELECT x INTO DUMPFILE 't' FROM t;", "SELECT 1 INTO @t;",
                             "SELECT pg_catalog.setval('t', 1, false);", "SELECT 1 AS into, t.into FROM t;", "SELECT (1 INTO t);",
                             "SELECT 'into t', \"into\" t;", "SELECT 1 INTO;"}) {
    EXPECT_EQ(rows_of_t(kOneRow + std::string(select)), "1|2|null") << select;
  }
}

// Prevents a statement from hiding behind the queries that it names, and what those themselves change in PostgreSQL.
TEST(SqlEffects, WithIsTheStatementBehindIt) {
  const std::string with =
      std::string(kOneRow) + "WITH RECURSIVE u (insert, \"select\") AS (SELECT 1, ')'), update AS MATERIALIZED (SELECT 2)\n";
  const auto error = [&](const std::string& statement) { return error_of_t(with + statement); };
  EXPECT_THAT(error("INSERT INTO t SELECT * FROM u;"), HasSubstr("line 3: INSERT without VALUES is not understood"));
  EXPECT_THAT(error("REPLACE INTO t SELECT * FROM u;"), HasSubstr("line 3: INSERT without VALUES is not understood"));
  EXPECT_THAT(error("INSERT INTO t VALUES (3, 4);"), HasSubstr("line 3: INSERT behind WITH is not understood"));
  EXPECT_THAT(error("UPDATE t SET x = 1;"), HasSubstr("line 3: UPDATE of rows is not understood"));
  EXPECT_THAT(error("DELETE FROM t;"), HasSubstr("line 3: DELETE of rows is not understood"));
  EXPECT_THAT(error("MERGE INTO t USING u ON true;"), HasSubstr("line 3: MERGE of rows is not understood"));
  for (const char* other : {"SELECT * FROM u;", "INSERT INTO v SELECT 1;", "UPDATE v SET x = 1;"}) EXPECT_EQ(error(other), "") << other;
  EXPECT_THAT(error_of_t(std::string(kOneRow) + "WITH u AS (DELETE FROM t RETURNING (x)), v AS (SELECT 1) INSERT INTO a SELECT * FROM u;"),
              HasSubstr("line 3: DELETE of rows is not understood"));
  EXPECT_THAT(error_of_t(std::string(kOneRow) + "WITH u AS (INSERT INTO t VALUES (3, 4) RETURNING x) SELECT 1 FROM u;"),
              HasSubstr("line 3: INSERT behind WITH is not understood"));
}

// Prevents a table from keeping rows that a second CREATE of it dropped; before its rows that is a CREATE TABLE as any.
TEST(SqlEffects, CreateOrReplaceDropsRows) {
  EXPECT_THAT(error_of_t(std::string(kOneRow) + "CREATE OR REPLACE TABLE t (x int);\nINSERT INTO t VALUES (3);\n"),
              HasSubstr("line 3: CREATE OR REPLACE TABLE behind rows is not understood"));
  EXPECT_EQ(rows_of_t("CREATE OR REPLACE TABLE t (x int);\nCREATE OR REPLACE TABLE t (y int);\nINSERT INTO t VALUES (3);\n"), "3|null");
  EXPECT_EQ(rows_of_t(std::string(kOneRow) + "CREATE OR REPLACE TABLE u (x int);\nCREATE OR REPLACE VIEW t AS SELECT 1;\n"), "1|2|null");
}

// Prevents rows from outliving the schema or database that they lay in; dumps that drop what they are about to make lose nothing.
TEST(SqlEffects, DropOfWhatIsAroundATableDropsItsRows) {
  const std::string table = "CREATE TABLE {0} (x int, y int);\nINSERT INTO {0} VALUES (1,2);\n";
  const auto error = [&](const std::string& head, const std::string& name, const std::string& behind) {
    return error_of_t(head + fmt::format(fmt::runtime(table), name) + behind);
  };
  const std::string postgres = "-- PostgreSQL database dump\n", mysql = "-- MySQL dump 10.13\n";
  EXPECT_THAT(error(postgres, "s.t", "DROP SCHEMA IF EXISTS a, s CASCADE;"),
              HasSubstr("line 4: DROP SCHEMA behind rows is not understood"));
  EXPECT_THAT(error(postgres, "t", "DROP SCHEMA public;"), HasSubstr("DROP SCHEMA behind rows"));
  EXPECT_THAT(error(postgres + "\\connect d\n", "s.t", "DROP SCHEMA s;"), HasSubstr("DROP SCHEMA behind rows"));
  EXPECT_THAT(error(postgres + "\\connect d\n", "t", "DROP SCHEMA s;"), HasSubstr("DROP SCHEMA behind rows"));
  EXPECT_THAT(error(postgres + "\\connect d\n", "s.t", "\\connect e\nDROP DATABASE d;"), HasSubstr("DROP DATABASE behind rows"));
  EXPECT_THAT(error(mysql + "USE d;\n", "t", "DROP DATABASE IF EXISTS `d`;"), HasSubstr("line 5: DROP DATABASE behind rows"));
  EXPECT_THAT(error(mysql + "USE e;\n", "d.t", "DROP SCHEMA d;"), HasSubstr("DROP SCHEMA behind rows"));
  EXPECT_THAT(error(mysql, "t", "DROP DATABASE d;"), HasSubstr("DROP DATABASE behind rows"));
  EXPECT_THAT(error("USE d;\n", "t", "USE e;\nDROP SCHEMA d;"), HasSubstr("DROP SCHEMA behind rows"));

  EXPECT_EQ(error(postgres, "s.t", "DROP SCHEMA a;"), "");
  EXPECT_EQ(error(postgres + "\\connect d\n", "s.t", "\\connect e\nDROP SCHEMA s;\nDROP DATABASE f;"), "");
  EXPECT_EQ(error(postgres + "DROP SCHEMA s;\nDROP DATABASE d;\n\\connect d\n", "s.t", ""), "");
  EXPECT_EQ(error(mysql + "DROP DATABASE IF EXISTS d;\nUSE d;\n", "t", "DROP DATABASE IF EXISTS e;\nUSE e;\nCREATE TABLE u (x int);"), "");
  EXPECT_EQ(error(mysql, "d.t", "DROP DATABASE t;\nDROP TRIGGER d;"), "");
}

// Prevents rows from being read under columns that the table had before or has later, and rows from outliving their partition.
TEST(SqlEffects, AlterTableChangesRows) {
  const std::string mysql = "-- MySQL dump 10.13\n";
  for (const auto& [clause, what] : std::vector<std::pair<std::string, std::string>>{
           {"ADD COLUMN z int DEFAULT 5", "ADD of a column"},
           {"ADD z int", "ADD of a column"},
           {"ADD (z int, CHECK (z > 0))", "ADD of a column"},
           {"ADD IF NOT EXISTS z int", "ADD of a column"},
           {"ADD `key` int", "ADD of a column"},
           {"ADD system int", "ADD of a column"},
           {"ADD PRIMARY KEY (x, y), ADD KEY (y), ADD z int", "ADD of a column"},
           {"DROP COLUMN y", "DROP of a column"},
           {"DROP y", "DROP of a column"},
           {"DROP PRIMARY KEY, DROP COLUMN IF EXISTS y", "DROP of a column"},
           {"DROP PARTITION p0, p1", "DROP PARTITION"},
           {"TRUNCATE PARTITION ALL", "TRUNCATE PARTITION"},
           {"EXCHANGE PARTITION p WITH TABLE u", "EXCHANGE PARTITION"},
           {"CONVERT PARTITION p TO TABLE u", "CONVERT PARTITION"},
           {"DISCARD TABLESPACE", "DISCARD TABLESPACE"},
           {"RENAME COLUMN x TO z", "RENAME of a column"},
           {"RENAME x TO z", "RENAME of a column"},
           {"CHANGE COLUMN x z int", "CHANGE of a column's name"},
           {"RENAME TO u", "RENAME behind rows"},
           {"RENAME u", "RENAME behind rows"},
           {"RENAME AS d.u", "RENAME behind rows"},
       }) {
    const std::string line = "ALTER TABLE t " + clause + ";\n";
    EXPECT_THAT(error_of_t(mysql + kOneRow + line), HasSubstr("line 4: ALTER TABLE ... " + what + " is not understood")) << clause;
    EXPECT_THAT(error_of_t(mysql + kOneRow + "ALTER IGNORE TABLE IF EXISTS t WAIT 10 " + clause + ";\n"), HasSubstr(what)) << clause;
    // What stands nowhere in the dump has no rows in it.
    EXPECT_THAT(load(line).rows, SizeIs(1)) << clause;
  }
  for (const char* clause : {"ADD key text", "ADD COLUMN index int", "DROP index", "RENAME index TO z", "ADD period int"}) {
    EXPECT_THAT(error_of_t("-- PostgreSQL database dump\n" + std::string(kOneRow) + "ALTER TABLE ONLY t * " + clause + ";\n"),
                HasSubstr("of a column is not understood"))
        << clause;
  }
  EXPECT_THAT(error_of_t("CREATE TABLE t (x int);\nALTER TABLE t ADD y int;\nINSERT INTO t VALUES (1,2);\n"),
              HasSubstr("line 2: ALTER TABLE"));
}

// Prevents the statements that stand behind rows in every dump from being taken for changes of them.
TEST(SqlEffects, KeysAndOwnersLeaveRowsAsTheyAre) {
  for (const char* clause : {"ADD CONSTRAINT c CHECK (x > 0) NOT VALID",
                             "ADD PRIMARY KEY (x), ADD UNIQUE KEY k (y), ADD KEY z (x,y)",
                             "ADD FOREIGN KEY (x) REFERENCES u (x)",
                             "ADD UNIQUE (x)",
                             "ADD FULLTEXT KEY f (x)",
                             "ADD SPATIAL INDEX s (x)",
                             "ADD INDEX IF NOT EXISTS i (x)",
                             "ADD VECTOR INDEX (x)",
                             "ADD PARTITION (PARTITION p VALUES LESS THAN (7))",
                             "ADD SYSTEM VERSIONING",
                             "ADD PERIOD FOR SYSTEM_TIME (a, b)",
                             "ADD CHECK (x > 0)",
                             "ADD EXCLUDE USING gist (x WITH =)",
                             "DROP CONSTRAINT IF EXISTS c CASCADE",
                             "DROP PRIMARY KEY",
                             "DROP FOREIGN KEY f",
                             "DROP INDEX i",
                             "DROP KEY k",
                             "DROP CHECK c",
                             "DROP SYSTEM VERSIONING",
                             "RENAME INDEX a TO b",
                             "RENAME KEY a TO b",
                             "RENAME CONSTRAINT a TO b",
                             "OWNER TO u",
                             "ALTER COLUMN x ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s START WITH 1)",
                             "ALTER COLUMN x DROP DEFAULT",
                             "ALTER x SET DEFAULT 1",
                             "MODIFY x int NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=5",
                             "CHANGE x x int NOT NULL",
                             "DISABLE KEYS",
                             "ATTACH PARTITION u FOR VALUES IN ('a')",
                             "SET (fillfactor = 70)",
                             "CLUSTER ON i",
                             "REPLICA IDENTITY FULL",
                             "ENABLE ROW LEVEL SECURITY",
                             "INHERIT u",
                             "ORDER BY x, y",
                             "CONVERT TO CHARACTER SET utf8mb4",
                             "ENGINE=InnoDB"}) {
    const std::string line = fmt::format("ALTER TABLE t {};\n", clause);
    EXPECT_EQ(error_of_t(kOneRow + line), "") << clause;
    EXPECT_EQ(error_of_t("-- MySQL dump 10.13\n" + line + kOneRow + line), "") << clause;
  }
  for (const char* other :
       {"ALTER TABLE u ADD z int;", "ALTER VIEW t RENAME TO u;", "ALTER SEQUENCE t OWNED BY t.x;", "RENAME USER t TO u;",
        "ALTER TABLE ALL IN TABLESPACE t SET TABLESPACE u;", "ALTER TABLE t", "ALTER TABLE t RENAME", "RENAME TABLE t"}) {
    EXPECT_EQ(error_of_t(kOneRow + std::string(other)), "") << other;
  }
}

// Prevents rows from staying under a name that went to another table, and a table from missing the rows that came with its name.
TEST(SqlEffects, ARenamedTableTakesItsRowsAlong) {
  const std::string head = "-- MySQL dump 10.13\nCREATE TABLE t (x int, y int);\nCREATE TABLE u (x int);\nINSERT INTO u VALUES (1);\n";
  for (const char* rename :
       {"ALTER TABLE u RENAME TO t", "ALTER TABLE u RENAME t", "RENAME TABLE t TO v, u WAIT 5 TO t", "RENAME TABLE a TO b, u TO t"}) {
    const std::string dump = head + rename + ";\n";
    EXPECT_THAT(error_of_t(dump), HasSubstr("line 5: ")) << rename;
    EXPECT_THAT(load(dump, {.table = "u"}).error, HasSubstr("behind rows is not understood")) << rename;
    for (const SqlTableEntry& table : list(dump)) {
      EXPECT_THAT(load(extract(dump, table)).error, HasSubstr("line 5: ")) << extract(dump, table);
      if (table.name.is_called("b")) ADD_FAILURE() << "a has no rows, so b has none of them";
      EXPECT_THAT(load(extract(dump, table), {}, BadRowAction::kSkip).bad_rows, SizeIs(1)) << extract(dump, table);
    }
  }
  EXPECT_THAT(error_of_t("-- PostgreSQL database dump\n\\connect d\nINSERT INTO s.u VALUES (1);\nALTER TABLE s.u RENAME TO t;\n"),
              HasSubstr("line 4: ALTER TABLE ... RENAME behind rows is not understood"));
  EXPECT_EQ(rows_of_t("CREATE TABLE u (x int);\nRENAME TABLE t TO u, u TO v;\n" + std::string(kOneRow)), "1|2|null");
}

// Prevents what SQLite's shell gave up half-way, and says so in its last line, from being taken for the whole of a database.
TEST(SqlEffects, ADumpThatWasRolledBackIsNoWholeOne) {
  const std::string begun = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
  EXPECT_THAT(error_of_t(begun + kOneRow + "ROLLBACK; -- due to errors\n"), HasSubstr("line 5: ROLLBACK behind rows is not understood"));
  EXPECT_EQ(error_of_t(begun + "ROLLBACK;\n" + kOneRow + "ROLLBACK TO SAVEPOINT s;\nROLLBACK PREPARED 'a';\nCOMMIT;\n"), "");
}

// Prevents names of tables from taking all memory.
TEST(SqlKnownTables, NamesHaveALimit) {
  SqlKnownTables tables;
  const std::string large(static_cast<size_t>(kSqlKnownTablesBytesMax) / 2, 'x');
  EXPECT_TRUE(tables.add({{large, "a"}}, true));
  EXPECT_TRUE(tables.add({{large, "a"}}, false));
  EXPECT_TRUE(tables.has_rows({{large, "a"}}));
  EXPECT_FALSE(tables.add({{large, "b"}}, true));
}

}  // namespace
}  // namespace sluice
