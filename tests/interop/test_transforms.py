"""Every partition transform over every type it takes: the judges compute the same partitions, or filters lose rows."""

import datetime
import uuid
from decimal import Decimal

import pytest

from judges import ALL_JUDGES
from test_types import TABLE, load

UTC = datetime.timezone.utc
BEFORE_1970 = datetime.datetime(1969, 12, 31, 23, 30)
TIMES = [
    BEFORE_1970, datetime.datetime(1970, 1, 1), datetime.datetime(1970, 1, 1, 1, 15), datetime.datetime(2024, 2, 29, 12), datetime.datetime(1901, 1, 31, 5),
    datetime.datetime(1970, 1, 31, 23, 59, 59, 999999), datetime.datetime(1969, 12, 1),
]  # fmt: skip
INSTANTS = [at.replace(tzinfo=UTC) for at in TIMES]
DAYS = [at.date() for at in TIMES]
COLUMNS = {
    "b": ("boolean", [True, False, True, False, True]),
    "i": ("int", [-11, -1, 0, 1, 34]),
    "l": ("long", [-(2**40), -1, 0, 34, 2**40]),
    "p": ("decimal(9, 2)", [Decimal(one) for one in "14.20 0.00 0.49 10.65 -0.50 -10.65 99999.99".split()]),
    "s": ("string", ["iceberg", "", "ü🙂ä", "with space/slash=%", "a"]),
    "r": ("binary", [b"\x00\x01\x02\x03", b"", b"\xff\xfe\xfd", b"abcdef", b"b"]),
    "u": ("uuid", [uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7"), *(uuid.UUID(int=n) for n in (0, 1, 2**127, 2**128 - 1))]),
    "x": ("fixed[3]", [b"\x00\x01\x02", b"\xff\xfe\xfd", b"abc", b"\x00\x00\x00", b"abd"]),
    "c": ("time", [datetime.time(0), datetime.time(23, 59, 59, 999999), datetime.time(12, 30), datetime.time(0, 0, 0, 1), datetime.time(6)]),
    "d": ("date", DAYS),
    "t": ("timestamp", TIMES),
    "z": ("timestamptz", INSTANTS),
}
TRANSFORMS = [
    *("b i l p s r u x c d t z".split()),
    *(f"bucket(7, {column})" for column in "i l p s r u x c d t z".split()),
    *(f"truncate({width}, {column})" for column, width in (("i", 10), ("l", 1000), ("p", 50), ("s", 2), ("r", 2))),
    *(f"{unit}({column})" for unit in ("year", "month", "day") for column in "dtz"),
    *(f"hour({column})" for column in "tz"),
]

# Spark knows no times of day, and reads a fixed value in a manifest as if a length stood before it. DuckDB and PyIceberg read every table.
UNREADABLE_FOR_SPARK = {"c", "bucket(7, c)", "x"}
RANGES = ("<", "<=", ">", ">=")


def is_right(judge, transform, comparison, value=None):
    """Whether a judge finds the rows under this filter. By what we saw of DuckDB 1.5.5, PyIceberg 0.12 and Spark 4.1, with tables that Spark wrote,
    too: the value that is asked for makes a filter go wrong, not what else is in the table. So each judge is asked the others over the same rows."""
    if judge == "duckdb" and transform.startswith(("day", "month")) and isinstance(value, datetime.datetime):
        # Cuts a time before 1970 up instead of down: == > >= pass over the day or month that it lies in, unless it is the very beginning.
        return comparison in ("<", "<=") or value.replace(tzinfo=None) >= datetime.datetime(1970, 1, 1)
    if judge == "duckdb" and transform == "truncate(50, p)" and value is not None:
        return value >= 0  # "INTERNAL Error: Information loss on integer cast", under each comparison
    if judge == "duckdb":
        return (transform, comparison) != ("bucket(7, u)", "==")  # has another hash for UUIDs; ranges and nulls need none
    if judge == "pyiceberg":
        return transform != "u" or comparison not in ("==", *RANGES)  # compares a UUID with bytes
    # Spark compares the halves of a UUID as signed numbers; == does so where a manifest list has bounds of UUIDs.
    return column_of(transform) != "u" or comparison not in RANGES and (transform, comparison) != ("u", "==")


def column_of(transform):
    return transform.rstrip(")").split("(")[-1].split(",")[-1].strip()


# Prevents rows in the wrong partition: every judge prunes by its own idea of the transform, before 1970 and for null as well.
@pytest.mark.parametrize("column", COLUMNS)
def test_transforms_of_a_column(home, column):
    kind, values = COLUMNS[column]
    rows = [{"id": number, column: value} for number, value in enumerate([*values, None])]
    for number, transform in enumerate(one for one in TRANSFORMS if column_of(one) == column):
        table = f"bronze.t{number}"
        load(home, {column: kind}, rows, table=table, partition_by=[transform], name=f"{number}", source={"paths": [f"in/{number}.json"]})
        fields = home.lake.table(table).spec().fields
        assert len(fields) == 1 and fields[0].source_id == 2, transform
        filters = [(column, "==", value) for value in values] + [(column, "null"), (column, "not null")]
        filters += [(column, comparison, value) for comparison, value in zip(RANGES, values)]
        for judge in ALL_JUDGES:
            if judge != "spark" or transform not in UNREADABLE_FOR_SPARK:
                home.lake.assert_judges_agree(table, rows, [one for one in filters if is_right(judge, transform, *one[1:])], judges=(judge,))
        by_pyiceberg = {str(task.file.partition) for task in home.lake.table(table).scan().plan_files()}
        if transform not in UNREADABLE_FOR_SPARK and column != "u":  # Spark cannot show a UUID there
            assert len(home.lake.sql(f"select partition from local.{table}.partitions")) == len(by_pyiceberg)


# Prevents partition values that differ from those of the Iceberg library: Spark writes the same rows into a table like ours.
def test_partition_values_equal_those_of_spark(home):
    columns = {column: of_type for column, of_type in COLUMNS.items() if column != "c"}  # it knows no times of day
    rows = [{"id": number, **{column: values[number] for column, (_, values) in columns.items()}} for number in range(5)]
    rows.append({"id": 5, **{column: None for column in columns}})
    transforms = ["bucket(7, l)", "bucket(5, s)", "bucket(9, p)", "truncate(10, i)", "truncate(2, s)", "month(d)", "day(t)", "hour(z)", "b"]
    load(home, {column: kind for column, (kind, _) in columns.items()}, rows, partition_by=transforms)
    names = ", ".join(["id", *columns])
    spark_transforms = [one.replace("day(", "days(").replace("month(", "months(").replace("hour(", "hours(") for one in transforms]
    home.lake.sql(f"create table local.bronze.copy partitioned by ({', '.join(spark_transforms)}) as select {names} from local.{TABLE}")

    def partitions(name):
        return sorted(str(list(row.partition.asDict().values())) for row in home.lake.sql(f"select partition from local.{name}.files"))

    assert partitions(TABLE) == partitions("bronze.copy")


# Prevents a partitioned load from holding a file open per partition, and from losing rows when partitions fan out.
def test_many_partitions(home):
    rows = [{"id": number, "name": f"n{number}"} for number in range(3000)]
    home.write_rows("in/a.json", rows)
    home.load("in", "--table", TABLE, "--partition-by", "truncate(2, name)", "--partition-by", "bucket(32, id)")
    home.lake.assert_judges_agree(TABLE, rows, [("name", "==", "n2999"), ("id", "<", 10), ("name", "starts", "n12")], judges=("pyiceberg", "duckdb"))
