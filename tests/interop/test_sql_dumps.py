"""Dumps of real databases: every table as a Parquet object, and one of them as an Iceberg table, compared value by value with what the database
itself returns. PostgreSQL by pg_dump, SQLite by its shell and by Python's iterdump, MariaDB by files that mariadb-dump wrote (dumps/mariadb_make.sql made
the tables); MySQL by text as mysqldump writes it."""

import datetime
import decimal
import gzip
import io
import math
import shutil
import sqlite3
import subprocess
import tarfile
import uuid
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DUMPS = Path(__file__).parent / "dumps"
PG_DUMP = Path("/usr/lib/postgresql/15/bin/pg_dump")
D, UTC = decimal.Decimal, datetime.UTC
ODD_TEXTS = ["", "plain", "it's \"quoted\" `so`", "back\\slash \\n \\N \\.", "tab\there", "line\nline\r\nend\n", "\\.", "-- no comment", "/* nor this */", "a;b", "$$x$$", " ünïcödé 🙂 ", "%_", "x" * 70_000]


def convert(home, path, *more, code=0):
    """{name below the dump: table} of the objects."""
    home.load(path.parent, "--parquet", "out", "--name", "convert", *more, code=code)
    folder = home.folder / "out" / path.name
    return {found.name.removesuffix(".parquet"): pq.read_table(found) for found in folder.glob("*.parquet")}


def same(found, wanted):
    if isinstance(wanted, float) and isinstance(found, float):
        return found == wanted or (math.isnan(found) and math.isnan(wanted))
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


def check(table, names, rows):
    assert table.column_names == names
    assert table.num_rows == len(rows)
    for index, row in enumerate(rows):
        for name, wanted in zip(names, row, strict=True):
            found = table[name][index].as_py()
            assert same(found, wanted), (index, name, found, wanted)


# --- SQLite


def sqlite_database(path):
    connection = sqlite3.connect(path)
    connection.executescript("""
        create table kinds (id integer primary key autoincrement, small int, big bigint, price real, ratio numeric, word varchar(10), note text, raw blob, anything);
        create table "odd "" name; x" ("a b" text, "select" integer, [c] text, `d` text);
        create table nothing_in_it (id integer, word text);
        create table without_id (word text primary key, n) without rowid;
        create view a_view as select id from kinds;
        create index an_index on kinds (word);
        create trigger a_trigger after insert on nothing_in_it begin insert into kinds (id) values (new.id); update kinds set note = 'x;y' where id = 1; end;
    """)
    for number, text in enumerate(ODD_TEXTS, 1):
        raw = None if number == 1 else bytes(range(number * 18 % 256)) * (number % 3)
        row = (number, -number, number * (1 << 58) - 1 if number < 16 else 0, number / 7, number / 8, text[:10], text, raw, number * 3)
        connection.execute("insert into kinds values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute("insert into kinds (id, price, small) values (1000, 9e999, -9223372036854775808)")
    connection.execute("insert into kinds (id, price, small) values (1001, -9e999, 9223372036854775807)")
    connection.execute("insert into kinds (id, price) values (1002, 5e-324)")
    connection.executemany('insert into "odd "" name; x" values (?, ?, ?, ?)', [("),(1,'x", 1, ");", "--"), ("\n", 2, "\r", "'")])
    connection.executemany("insert into without_id values (?, ?)", [("a", 1), ("b", None)])
    connection.commit()
    return connection


SQLITE_WRITERS = {
    "iterdump": lambda path, connection: "".join(line + "\n" for line in connection.iterdump()).encode(),
    "shell": lambda path, connection: subprocess.run(["sqlite3", path, ".dump"], capture_output=True, check=True).stdout,
}


# Prevents a value of SQLite from being lost or changed on its way, and a table, view or trigger from being taken for another thing.
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("writer", ["iterdump", "shell"])
def test_sqlite(home, writer, packed):
    if writer == "shell" and not shutil.which("sqlite3"):
        pytest.skip("no sqlite3 program")
    connection = sqlite_database(home.folder / "judge.db")
    dump = SQLITE_WRITERS[writer](home.folder / "judge.db", connection)
    tables = convert(home, home.write("in/app.sql.gz", gzip.compress(dump)) if packed else home.write("in/app.sql", dump))
    assert set(tables) == {"kinds", 'odd " name; x', "without_id"}
    for name, table in tables.items():
        cursor = connection.execute(f'select * from "{name.replace(chr(34), chr(34) * 2)}" order by 1' if name != "kinds" else "select * from kinds order by id")
        names = [column[0] for column in cursor.description]
        check(table.sort_by(names[0]), names, cursor.fetchall())
    assert str(tables["kinds"].schema.field("small").type) == "int64"
    states = home.ledger("select file_path, status, records_ingested, file_format from processed_files order by file_path")
    assert [(one["file_path"].rsplit("!/")[-1], one["records_ingested"]) for one in states if "nothing" in one["file_path"]] == [("nothing_in_it", 0)]
    assert {one["status"] for one in states} == {"SUCCESS"}


# --- PostgreSQL

PG_TABLES = """
    create schema sales;
    create type mood as enum ('sad', 'it''s ok');
    create domain positive as integer check (value > 0);
    create table sales.kinds (
      id bigint generated by default as identity primary key, small smallint, whole integer default 7, price numeric(20,6), free numeric, ratio real, far double precision,
      ok boolean, word character varying(20), code character(5), note text, raw bytea, day date, clock time(3) without time zone, seen timestamp(6) without time zone,
      at timestamp with time zone, key uuid, doc jsonb, how mood, pos positive, many integer[], net inet, span interval, bits bit(3), cash xml,
      doubled bigint generated always as (id * 2) stored, constraint "a; b" check (id > -1));
    comment on table sales.kinds is 'a comment; with "quotes" and ''quotes'' and
a line that begins with COPY x FROM stdin;';
    create table public."Odd ""Name; x" ("A b" text, "select" integer, "ü.ü" boolean);
    create table public.nothing_in_it (id integer);
    create table public.parent (id integer, kind text) partition by list (kind);
    create table public.child partition of public.parent for values in ('a');
    create view public.a_view as select id from sales.kinds;
    create function public.f() returns trigger language plpgsql as $f$ begin insert into public.nothing_in_it values (1); return new; end; $f$;
    create trigger a_trigger after delete on public.nothing_in_it for each row execute function public.f();
"""
PG_TEXT_COLUMNS = ["doc", "how", "pos", "many", "net", "span", "bits", "cash"]  # have no counterpart: text, as the database writes it


def postgres_database(postgres):
    connection = postgres.connect()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(PG_TABLES)
    insert = """insert into sales.kinds (id, small, whole, price, free, ratio, far, ok, word, code, note, raw, day, clock, seen, at, key, doc, how, pos, many, net, span, bits, cash)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
    for number, text in enumerate(ODD_TEXTS):
        sign = -1 if number % 2 else 1
        cursor.execute(insert, (
            number, sign * 32767, sign * 2147483647, D(sign * 12345678901234) + D("0.567891"), D(sign) * D("98765432109876543210.123456789012345678"), sign * 1.5, sign / 3, sign > 0,
            text[:20], "ab", text, bytes(range(256))[number:] if number else b"", "2024-02-29", "23:59:59.123", "2024-02-29 10:00:00.123456", "2024-02-29 23:30:00.5+05:30",
            str(uuid.UUID(int=number)), '{"a": ["%s"]}' % number, "it's ok", 1 + number, [1, None, number], "10.0.0.1/8", f"{number} days 01:02:03", "101", f"<a>{number}</a>"))  # fmt: skip
    cursor.execute("insert into sales.kinds (id, whole) values (100, null)")
    cursor.execute("insert into sales.kinds (id, whole, ratio, far) values (101, 1, 'NaN', 'Infinity'), (102, 2, '-Infinity', '-0.0')")
    cursor.execute('insert into public."Odd ""Name; x" values (%s, 1, true), (%s, 2, false), (null, 3, null)', ("\\.", "),(1,'x"))
    cursor.execute("insert into public.parent values (1, 'a'), (2, 'a')")
    return connection


def pg_dump(postgres, *flags):
    command = [PG_DUMP, "-h", postgres.host, "-p", str(postgres.port), "-U", postgres.user, *flags, postgres.database]
    return subprocess.run(command, env={"PGPASSWORD": postgres.password}, capture_output=True, check=True).stdout


def rows_of(connection, table, names):
    cursor = connection.cursor()
    cursor.execute("set time zone 'UTC'")
    cursor.execute("set intervalstyle = postgres")
    cursor.execute("select " + ", ".join(f'"{name}"::text' if name in PG_TEXT_COLUMNS else f'"{name}"' for name in names) + f" from {table} order by 1")
    return [[bytes(value) if isinstance(value, memoryview) else uuid.UUID(value) if names[i] == "key" and value else value for i, value in enumerate(row)] for row in cursor.fetchall()]


# Prevents a value of PostgreSQL from being lost or changed, however pg_dump is told to write it.
@pytest.mark.parametrize("flags", [[], ["--inserts", "--rows-per-insert", "4"], ["--column-inserts", "--quote-all-identifiers"]], ids=["copy", "inserts", "column_inserts"])
def test_postgresql(home, postgres, flags):
    connection = postgres_database(postgres)
    path = home.write("in/shop.sql", pg_dump(postgres, *flags))
    outcome = home.run("load", "in", "--parquet", "out", "--name", "convert")
    assert "column doubled is computed by the database" in outcome.err and "type integer[] has no counterpart" in outcome.err
    tables = convert(home, path)
    assert set(tables) == {"sales.kinds", 'public.Odd "Name; x', "public.child"}
    kinds = tables["sales.kinds"].sort_by("id")
    assert [str(kinds.schema.field(name).type) for name in ("small", "price", "ok", "day", "at")] == ["int32", "decimal128(20, 6)", "bool", "date32[day]", "timestamp[us, tz=UTC]"]
    names = [name for name in kinds.column_names if name != "doubled"]
    if "_rescued_data" in names:
        raise AssertionError(kinds["_rescued_data"].to_pylist())
    check(kinds, names, rows_of(connection, "sales.kinds", names))
    odd = tables['public.Odd "Name; x'].sort_by("select")
    check(odd.select(["select", "A b", "ü.ü"]), ["select", "A b", "ü.ü"], rows_of(connection, 'public."Odd ""Name; x"', ["select", "A b", "ü.ü"]))
    check(tables["public.child"].sort_by("id"), ["id", "kind"], [[1, "a"], [2, "a"]])


# Prevents a table from getting rows of another one, and a second dump of the same data from loading it again.
def test_one_table_goes_to_iceberg(home, postgres):
    connection = postgres_database(postgres)
    home.write("in/shop.sql", pg_dump(postgres))
    refused = home.run("load", "in", "--table", "shop.kinds", code=1)
    assert 'the dump has several tables; say which one to load with --sql-table: ' in refused.err and "sales.kinds" in refused.err
    home.run("load", "in", "--table", "shop.kinds", "--sql-table", "customers", "--name", "typo", code=1)
    home.load("in", "--table", "shop.kinds", "--sql-table", "kinds", "--name", "right")
    table = home.lake.table("shop.kinds").scan().to_arrow().sort_by("id")
    names = ["id", "price", "note", "raw", "at"]
    check(table.select(names), names, rows_of(connection, "sales.kinds", names))


# --- MariaDB and MySQL

MARIADB_KINDS = {
    "id": [1, 2, 3], "tiny": [-128, 127, None], "flag": [1, 0, None], "ub": [D(18446744073709551615), D(0), None], "big": [-(1 << 63), (1 << 63) - 1, None],
    "mid": [-8388608, 8388607, None], "yr": [2024, 1901, None], "dec_": [D("-12345678901234.567891"), D(0), None], "fl": [1.5, -0.25, None], "dbl": [-1e300, 0.1, None],
    "bits": [True, False, None], "many_bits": [b"\x0a\xaa", b"\0\0", None], "name": ["it's \"quoted\" \\ back\\slash", "", None],
    "the text": ["line1\nline2\r\n\ttab\0nul\x1actrl", " ünïcödé 🙂 -- no comment /* nor this */ ; ", None], "kind": ["y,z", "it's", None], "tags": ["a,b", "", None],
    "bin": [bytes.fromhex("00ff27225c0a0d1a"), b"", None], "lob": [b"", b"abc", None], "fixed_bin": [b"\1\2\3\0", b"\0\0\0\0", None],
    "d": [datetime.date(2024, 2, 29), datetime.date(1000, 1, 1), None], "t": [datetime.time(23, 59, 59, 123000), datetime.time(0), None],
    "dt": [datetime.datetime(2024, 2, 29, 10, 0, 0, 123456), datetime.datetime(1000, 1, 1), None],
    "ts": [datetime.datetime(2024, 2, 29, 4, 30, 0, 500000, UTC), datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None], "js": ['{"a": [1, "ü"]}', "[]", None], "twice": [-256, 254, None],
}  # fmt: skip


# Prevents a value of MariaDB from being lost or changed, however mariadb-dump is told to write it.
@pytest.mark.parametrize("name", ["plain", "hex", "databases"])
def test_mariadb(home, name):
    tables = convert(home, home.write("in/shop.sql", (DUMPS / f"mariadb_{name}.sql").read_bytes()))
    prefix = "shop." if name == "databases" else ""
    assert set(tables) == {prefix + table for table in ("values of all kinds", "odd`name", "log_")}
    kinds = tables[prefix + "values of all kinds"]
    check(kinds, list(MARIADB_KINDS), list(zip(*MARIADB_KINDS.values(), strict=True)))
    check(tables[prefix + "odd`name"], ["a b", "select"], [(1, "),(2,'x"), (2, "\\")])
    assert tables[prefix + "log_"]["id"].to_pylist() == [1, 2, 3]


def mysql_text(text):
    """A string as mysqldump writes it (mysql_real_escape_string)."""
    for plain, escaped in [("\\", "\\\\"), ("\0", "\\0"), ("\n", "\\n"), ("\r", "\\r"), ("\x1a", "\\Z"), ('"', '\\"'), ("'", "\\'")]:
        text = text.replace(plain, escaped)
    return f"'{text}'"


def mysql_bytes(raw, hexadecimal):
    if hexadecimal:
        return f"0x{raw.hex().upper()}".encode() if raw else b"''"
    for plain, escaped in [(b"\\", b"\\\\"), (b"\0", b"\\0"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\x1a", b"\\Z"), (b'"', b'\\"'), (b"'", b"\\'")]:
        raw = raw.replace(plain, escaped)
    return b"_binary '" + raw + b"'"


# Prevents bytes from being taken for text, and an escape for what another database means by it, in extended INSERTs of any length.
@pytest.mark.parametrize("hexadecimal", [False, True], ids=["escaped", "hex_blob"])
def test_mysql(home, hexadecimal):
    rows = [(number, text, bytes(range(256))[: number * 20], None if number % 2 else number / 4) for number, text in enumerate(ODD_TEXTS * 40)]
    values = [b"(%d,%s,%s,%s)" % (number, mysql_text(text).encode(), mysql_bytes(raw, hexadecimal), b"NULL" if far is None else repr(far).encode()) for number, text, raw, far in rows]
    dump = b"""-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
DROP TABLE IF EXISTS `rows`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE `rows` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `words` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci COMMENT 'a ''comment'', (b)',
  `raw` longblob /*!80023 INVISIBLE */,
  `far` double DEFAULT '1.5',
  PRIMARY KEY (`id`),
  KEY `k` (`words`(10)) /*!80000 INVISIBLE */
) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;
/*!40101 SET character_set_client = @saved_cs_client */;
LOCK TABLES `rows` WRITE;
/*!40000 ALTER TABLE `rows` DISABLE KEYS */;
""" + b"".join(b"INSERT INTO `rows` VALUES " + b",".join(values[at : at + 50]) + b";\n" for at in range(0, len(values), 50)) + b"""/*!40000 ALTER TABLE `rows` ENABLE KEYS */;
UNLOCK TABLES;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
-- Dump completed on 2026-01-01  0:00:00
"""  # fmt: skip
    home.write("in/shop.sql", dump)
    home.load("in", "--table", "shop.rows")
    table = home.lake.table("shop.rows").scan().to_arrow().sort_by("id").drop_columns("_source_file")
    check(table, ["id", "words", "raw", "far"], rows)
    assert table.schema.field("raw").type in (pa.binary(), pa.large_binary())


# Prevents what a dump's reader does not understand from being guessed at: the table fails, says the line, and its neighbours are converted.
def test_what_is_not_understood_is_named(home):
    dump = "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\nCREATE TABLE b (x int, at text);\nINSERT INTO b VALUES (1,'x'),\n(2,now());\nINSERT INTO c SELECT * FROM a;\n"
    tables = convert(home, home.write("in/d.sql", dump), code=3)
    assert set(tables) == {"a"}
    messages = [one["error_message"] for one in home.ledger("select error_message from processed_files where status = 'FAILED' order by file_path")]
    assert 'b: line 5: "now" is an expression, which is not understood (byte 116)' in messages[0]
    assert "c: line 6: INSERT without VALUES is not understood" in messages[1]
    again = convert(home, home.write("in/d.sql", dump + "-- again\n"), "--on-bad-row", "skip")
    assert again["b"].to_pylist() == [{"x": 1, "at": "x"}]


# Prevents rows that are dropped in the dump from being loaded, and tables whose rows are elsewhere from being loaded as empty; neighbours are converted.
def test_rows_that_are_dropped_or_elsewhere_are_named(home):
    one = "DROP TABLE IF EXISTS a, gone;\nCREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\n"
    dump = f"{one}CREATE TABLE b (x int);\nINSERT INTO b VALUES (2);\n{one}CREATE TABLE c AS SELECT 1;\nCREATE TABLE d (x int);\nCOPY d FROM '/d.csv' CSV;\nCREATE TABLE e (x int);\nLOAD DATA INFILE 'e' INTO TABLE e;\n"
    tables = convert(home, home.write("in/d.sql", dump), code=3)
    assert set(tables) == {"b"}
    messages = [one["error_message"] for one in home.ledger("select error_message from processed_files where status = 'FAILED' order by file_path")]
    reasons = ["DROP TABLE behind rows", "CREATE TABLE from a query", "COPY from a file", "LOAD DATA"]
    assert [message.count(f"{reason} is not understood") for message, reason in zip(messages, reasons, strict=True)] == [1] * 4, messages
    for table in "acde":
        failed = home.load("in", "--table", f"shop.{table}", "--name", table, "--sql-table", table, code=1)
        assert "is not understood" in str(failed), failed
    assert home.load("in", "--table", "shop.b", "--name", "b", "--sql-table", "b")["metrics"]["records_written"] == 1


# Prevents a dump that was packed from being kept closed as an archive in an archive is, and its tables from being chosen by names of packed files.
@pytest.mark.parametrize("kind", ["zip", "stored_zip", "tar.gz"])
def test_a_dump_in_an_archive(home, kind):
    connection = sqlite3.connect(":memory:")
    connection.executescript("create table a (id integer); create table _b (id integer);")
    connection.executemany("insert into a values (?)", [(number,) for number in range(30_000)])
    connection.execute("insert into _b values (7)")
    dump = "".join(line + "\n" for line in connection.iterdump())
    path = home.folder / f"in/backup.{kind.removeprefix('stored_')}"
    path.parent.mkdir()
    if kind == "tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo("app.sql")
            entry.size = len(dump)
            archive.addfile(entry, io.BytesIO(dump.encode()))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if kind == "stored_zip" else zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("app.sql", dump)
    home.load("in", "--parquet", "out", "--name", "convert", "--members", "*.sql")
    below = home.folder / "out" / path.name / "app.sql"
    assert pq.read_table(below / "a.parquet")["id"].to_pylist() == list(range(30_000))
    assert pq.read_table(below / "_b.parquet")["id"].to_pylist() == [7]
    assert home.load("in", "--parquet", "out", "--name", "convert", "--members", "*.sql")["metrics"]["records_written"] == 0


# Prevents a script without tables from loading nothing, or as if its lines were rows.
def test_a_file_without_tables_is_its_statements(home):
    home.write("in/script.sql", "-- first\nUPDATE a SET x = ';';\n\nSELECT 1\n  -- with a comment\n;\n")
    home.load("in", "--table", "shop.statements")
    rows = home.lake.table("shop.statements").scan().to_arrow().sort_by("line_number")
    assert rows["line_number"].to_pylist() == [2, 4]
    assert rows["value"].to_pylist() == ["UPDATE a SET x = ';'", "SELECT 1\n  -- with a comment"]
