"""The outside judges: PyIceberg, DuckDB and Spark read a table of a SQL catalog and must see what was loaded, filters included.

One Spark process serves the whole pytest run (its start costs more than most tests); each catalog file gets a Spark session of its own
in it, because Spark's catalog must be called what the table's `catalog_name` says, which is `local` everywhere.
"""

import datetime
import math
import operator
import os
import uuid
from decimal import Decimal
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

import duckdb
from pyiceberg import expressions
from pyiceberg.catalog.sql import SqlCatalog

from server_process import free_port
from servers import SPARK_SETTINGS, spark_jars

CATALOG_NAME = "local"
ALL_JUDGES = ("pyiceberg", "duckdb", "spark")
SPARK_MEMORY = "900m"


@cache
def spark_process():
    """The first Spark session of this pytest run; started when a test first asks for it. It serves Spark Connect as well."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master("local[2]").appName("sluice-tests")
    settings = {
        **SPARK_SETTINGS,
        "spark.driver.extraClassPath": ":".join(spark_jars()),
        "spark.driver.memory": SPARK_MEMORY,
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(free_port()),
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def spark_connect_uri():
    """Where the Spark process of this pytest run answers Spark Connect clients."""
    return f"sc://127.0.0.1:{spark_process().conf.get('spark.connect.grpc.binding.port')}"


@cache
def duckdb_process():
    """A DuckDB connection with the Iceberg extension from its wheel, so that nothing is fetched at run time."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in ("avro", "httpfs", "iceberg"):
        folder = Path(find_spec(f"duckdb_extension_{name}").origin).parent / "extensions"
        connection.load_extension(str(next(folder.glob(f"*/{name}.duckdb_extension"))))
    connection.execute("set timezone = 'UTC'; set threads = 2")
    return connection


class Lake:
    """One catalog and its warehouse, as the judges see them: a SQLite file and a local folder (lakes.py has those on servers)."""

    name = CATALOG_NAME

    def __init__(self, catalog_file, warehouse):
        self.catalog_file = Path(catalog_file)
        self.warehouse = Path(warehouse)

    @property
    def pyiceberg(self):
        return SqlCatalog(self.name, uri=f"sqlite:///{self.catalog_file}", warehouse=f"file://{self.warehouse}")

    @property
    def spark_settings(self):
        """What Spark must know, below spark.sql.catalog.NAME."""
        return {"type": "jdbc", "uri": f"jdbc:sqlite:{self.catalog_file}", "warehouse": str(self.warehouse), "jdbc.schema-version": "V1"}

    def teach(self, session):
        """Makes a Spark session (classic or Spark Connect) know this catalog by its name; returns the session."""
        prefix = f"spark.sql.catalog.{self.name}"
        for name, value in self.spark_settings.items():
            session.conf.set(f"{prefix}.{name}", value)
        session.conf.set(f"{prefix}.cache-enabled", "false")
        session.conf.set(prefix, "org.apache.iceberg.spark.SparkCatalog")
        return session

    @cached_property
    def spark(self):
        """A Spark session that knows this catalog."""
        return self.teach(spark_process().newSession())

    def duckdb_path(self, location):
        """The location as DuckDB must be told it, once it may read there."""
        return location.removeprefix("file://")

    def table(self, name):
        return self.pyiceberg.load_table(name)

    def sql(self, statement):
        """Runs a Spark statement and returns its rows."""
        return self.spark.sql(statement).collect()

    def rows(self, name, where=None, columns=None):
        """The rows as PyIceberg reads them, the quickest of the judges."""
        return self.read("pyiceberg", name, [where] if where else [], columns)

    def count(self, name):
        return self.table(name).scan(selected_fields=()).count()

    def files_of_rows(self, name):
        """{_source_file: number of rows}."""
        counts = {}
        for row in self.rows(name, columns=("_source_file",)):
            counts[row["_source_file"]] = counts.get(row["_source_file"], 0) + 1
        return counts

    def read(self, judge, name, filters=(), columns=None):
        return self._answers(judge, name, [filters], columns)[0]

    def _answers(self, judge, name, questions, columns):
        """The rows under each of these filters. The table is loaded once: that costs as much as a scan."""
        if judge == "spark":
            return self._spark_answers(name, questions, columns)
        rows = {"pyiceberg": self._pyiceberg_rows, "duckdb": self._duckdb_rows}[judge]
        table = self.table(name)
        return [rows(table, filters, columns) for filters in questions]

    def _pyiceberg_rows(self, table, filters, columns):
        condition = expressions.AlwaysTrue()
        for part in filters:
            condition = expressions.And(condition, pyiceberg_condition(*part))
        return table.scan(row_filter=condition, selected_fields=columns or ("*",)).to_arrow().to_pylist()

    def _duckdb_rows(self, table, filters, columns):
        location = self.duckdb_path(table.metadata_location)
        location = location.replace("'", "''")
        selected = ", ".join(f'"{column}"' for column in columns) if columns else "*"
        query = f"select {selected} from iceberg_scan('{location}')" + sql_where(filters, '"', duckdb_literal)
        return duckdb_process().cursor().execute(query).to_arrow_table().to_pylist()

    def _spark_answers(self, name, questions, columns):
        """What a statement costs Spark is the statement: one asks all, each with a scan of its own, which prunes by its own filter."""
        selected = ", ".join(f"`{column}`" for column in columns) if columns else "*"
        parts = [
            f"select {number} as `_question`, {selected} from {self.name}.{name}" + sql_where(filters, "`", spark_literal)
            for number, filters in enumerate(questions)
        ]
        answers = [[] for _ in questions]
        for row in self.spark.sql(" union all ".join(parts)).toArrow().to_pylist():
            answers[row.pop("_question")].append(row)
        return answers

    def assert_judges_agree(self, name, rows, filters=(), key="id", judges=ALL_JUDGES):
        """Every judge reads exactly `rows` (dicts; columns that they leave out are not compared), and under each filter
        (column, operator, value) exactly those of them that match it."""
        columns = tuple(dict.fromkeys(column for row in rows for column in row)) or None
        questions = [(), *([part] for part in filters)]
        for judge in judges:
            for question, answer in zip(questions, self._answers(judge, name, questions, columns), strict=True):
                expected = [row for row in rows if all(matches(row, *part) for part in question)]
                compare(f"{judge}, {name} where {question or 'true'}", answer, expected, key)


def compare(what, actual, expected, key):
    by_key = {}
    for row in actual:
        assert row[key] not in by_key, f"{what}: {key}={row[key]!r} is there twice"
        by_key[row[key]] = row
    wanted = {row[key]: row for row in expected}
    assert by_key.keys() == wanted.keys(), (
        f"{what}: rows missing {sorted(wanted.keys() - by_key.keys())[:20]}, rows too many {sorted(by_key.keys() - wanted.keys())[:20]}"
    )
    for one, row in wanted.items():
        for column, value in row.items():
            got = by_key[one][column]
            assert same(value, got), f"{what}: {key}={one!r}: {column} is {got!r}, not {value!r}"


def same(expected, actual):
    """Whether a judge's value is the expected one; the judges spell some types differently."""
    if expected is None or actual is None:
        return expected is None and actual is None
    if isinstance(expected, uuid.UUID):
        return expected == (uuid.UUID(bytes=actual) if isinstance(actual, bytes) else uuid.UUID(str(actual)))
    if isinstance(expected, float):
        return isinstance(actual, float) and (expected == actual or math.isnan(expected) and math.isnan(actual))
    if isinstance(expected, bytes):
        return expected == bytes(actual)
    if isinstance(expected, dict):
        pairs = dict(actual)  # a map comes as pairs, a struct as a dict
        return expected.keys() == pairs.keys() and all(same(value, pairs[field]) for field, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, datetime.datetime) and (expected.tzinfo is None) != (actual.tzinfo is None):
        return False
    if isinstance(expected, bool) != isinstance(actual, bool):
        return False
    return expected == actual


COMPARISONS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
PYICEBERG_COMPARISONS = {
    "==": expressions.EqualTo,
    "!=": expressions.NotEqualTo,
    "<": expressions.LessThan,
    "<=": expressions.LessThanOrEqual,
    ">": expressions.GreaterThan,
    ">=": expressions.GreaterThanOrEqual,
}


def matches(row, column, comparison, value=None):
    """SQL's answer for one expected row: null matches nothing but "null"."""
    actual = row
    for part in column.split("."):
        actual = None if actual is None else actual.get(part)
    if comparison in ("null", "not null"):
        return (actual is None) == (comparison == "null")
    if actual is None:
        return False
    if comparison in ("nan", "not nan"):
        return math.isnan(actual) == (comparison == "nan")
    if comparison == "in":
        return actual in value
    if comparison == "starts":
        return actual.startswith(value)
    return COMPARISONS[comparison](actual, value)


def pyiceberg_condition(column, comparison, value=None):
    def plain(one):
        return one.isoformat() if isinstance(one, datetime.date | datetime.time) else one

    if comparison in ("null", "not null"):
        return (expressions.IsNull if comparison == "null" else expressions.NotNull)(column)
    if comparison in ("nan", "not nan"):
        return (expressions.IsNaN if comparison == "nan" else expressions.NotNaN)(column)
    if comparison == "in":
        return expressions.In(column, tuple(plain(one) for one in value))
    if comparison == "starts":
        return expressions.StartsWith(column, value)
    return PYICEBERG_COMPARISONS[comparison](column, plain(value))


def sql_where(filters, quote, literal):
    conditions = []
    for column, comparison, *value in filters:
        name = ".".join(f"{quote}{part}{quote}" for part in column.split("."))
        if comparison in ("null", "not null"):
            conditions.append(f"{name} is {comparison}")
        elif comparison in ("nan", "not nan"):
            conditions.append(f"{name} is not null and {'not ' if comparison == 'not nan' else ''}isnan({name})")
        elif comparison == "in":
            conditions.append(f"{name} in ({', '.join(map(literal, value[0]))})")
        elif comparison == "starts":
            conditions.append(f"{name} like {literal(value[0] + '%')}")
        else:
            conditions.append(f"{name} {'=' if comparison == '==' else comparison} {literal(value[0])}")
    return " where " + " and ".join(conditions) if conditions else ""


def duckdb_literal(value):
    if isinstance(value, datetime.datetime):
        return f"{'TIMESTAMP' if value.tzinfo is None else 'TIMESTAMPTZ'} '{value.isoformat(sep=' ')}'"
    if isinstance(value, datetime.date):
        return f"DATE '{value}'"
    if isinstance(value, datetime.time):
        return f"TIME '{value}'"
    if isinstance(value, uuid.UUID):
        return f"'{value}'::UUID"
    if isinstance(value, bytes):
        return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
    if isinstance(value, float):
        return f"{value!r}::DOUBLE"
    return sql_literal(value, "''")


def spark_literal(value):
    if isinstance(value, datetime.datetime):
        return f"{'TIMESTAMP_NTZ' if value.tzinfo is None else 'TIMESTAMP'} '{value.isoformat(sep=' ')}'"
    if isinstance(value, datetime.date):
        return f"DATE '{value}'"
    if isinstance(value, uuid.UUID):
        return f"'{value}'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, float):
        return f"{value!r}D"
    if isinstance(value, Decimal):
        return f"{value}BD"
    return sql_literal(value.replace("\\", "\\\\") if isinstance(value, str) else value, "\\'")


def sql_literal(value, escaped_quote):
    if isinstance(value, str):
        return "'" + value.replace("'", escaped_quote) + "'"
    if isinstance(value, bool):
        return "true" if value else "false"
    assert isinstance(value, int | Decimal), f"no literal for {value!r}"
    return str(value)
