"""Every type that a table may have, through a contract, as all judges see it: values, bounds (by filters), nulls and NaN."""

import base64
import datetime
import json
import uuid
from decimal import Decimal

import pytest

from judges import ALL_JUDGES

UTC = datetime.timezone.utc
TABLE = "bronze.types"
NAN = float("nan")
UUIDS = [uuid.UUID("00000000-0000-4000-8000-000000000001"), uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7"), uuid.UUID(int=(1 << 128) - 1)]

# column: (type, values as judges must see them, filters). Values go into JSON by spell(); a null row and a missing row follow.
TYPES = {
    "flag": ("boolean", [True, False, True], [("==", True), ("!=", True), ("==", False)]),
    "small": ("int", [-(2**31), 0, 2**31 - 1], [("<", 0), (">=", 1), ("==", 2**31 - 1), ("==", 5)]),
    "large": ("long", [-(2**63), 2**53 + 1, 2**63 - 1], [("<", 0), ("==", 2**53 + 1), (">", 2**53), ("==", 5)]),
    "ratio": ("float", [-1.5, NAN, 0.25], [("<", 0.0), ("nan",), ("not nan",), ("==", 0.25), ("<", -2.0)]),
    "value": ("double", [1e-300, NAN, -1.7976931348623157e308], [("<", 0.0), ("nan",), ("not nan",), ("==", 1e-300)]),
    "zero": ("double", [-0.0, 0.0, 4.5], [("==", 0.0), ("<", 1.0), (">", 0.0)]),
    "price": ("decimal(9, 2)", [Decimal("-1234567.89"), Decimal("0.00"), Decimal("9999999.99")], [("<", Decimal("0.00")), ("==", Decimal("9999999.99"))]),
    "amount": ("decimal(18, 4)", [Decimal("-0.0001"), Decimal("12345678901234.5678"), Decimal("1.0000")], [("<", Decimal("0.0000")), (">", Decimal("2.0000"))]),
    "huge": ("decimal(38, 10)", [Decimal("-1234567890123456789012345678.0123456789"), Decimal("0E-10"), Decimal("255.0000000000")],
             [("<", Decimal("0.0000000000")), ("==", Decimal("255.0000000000"))]),
    "day": ("date", [datetime.date(1, 1, 1), datetime.date(1969, 12, 31), datetime.date(9999, 12, 31)],
            [("<", datetime.date(1970, 1, 1)), ("==", datetime.date(9999, 12, 31)), (">", datetime.date(1969, 12, 30))]),
    "at": ("timestamp", [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(2024, 2, 29, 12), datetime.datetime(2262, 5, 1)],
           [("<", datetime.datetime(1970, 1, 1)), ("==", datetime.datetime(2024, 2, 29, 12)), (">=", datetime.datetime(2262, 1, 1))]),
    "instant": ("timestamptz", [datetime.datetime(1969, 12, 31, 23, 59, 59, 1, UTC), datetime.datetime(2024, 2, 29, 12, 0, tzinfo=UTC),
                                datetime.datetime(2024, 2, 29, 12, 0, 0, 1, UTC)],
                [("<", datetime.datetime(1970, 1, 1, tzinfo=UTC)), ("==", datetime.datetime(2024, 2, 29, 12, tzinfo=UTC))]),
    "name": ("string", ["", "a" * 40 + "ü🙂", "\U0010ffff" * 20], [("==", "a" * 40 + "ü🙂"), ("starts", "aaaa"), (">", "b"), ("==", ""), ("==", "a" * 16)]),
    "wide": ("string", ["é" * 15 + "🙂x", "é" * 16, "zz"], [(">", "é" * 15 + "\U0001f600"), ("==", "é" * 15 + "🙂x"), ("starts", "é" * 15)]),
    "raw": ("binary", [b"", b"\xff" * 40, b"\x00\x01"], [("==", b"\xff" * 40), (">", b"\x01"), ("==", b"")]),
    "fixed": ("fixed[3]", [b"abc", b"\x00\x00\x00", b"\xff\xff\xff"], [("==", b"abc"), ]),
    "key": ("uuid", UUIDS, [("==", UUIDS[1]), ("==", UUIDS[2]), ("==", uuid.UUID(int=7))]),
}  # fmt: skip


def spell(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Decimal | uuid.UUID | datetime.date | datetime.time) else value


def load(home, columns, rows, name="a", **ingestion):
    """Loads rows through a contract; columns is {name: type}."""
    contract = [{"name": "id", "type": "long"}, *({"name": column, "type": one} for column, one in columns.items())]
    home.write("contract.yaml", json.dumps({"columns": contract}))
    options = {"source": {"paths": ["in/*.json"]}, "table": TABLE, "schema": {"contract": "contract.yaml", "validate": False}, **ingestion}
    home.write("sluice.yaml", json.dumps({"ingestions": {f"types_{name}": options}}))
    spelled = [{column: value if isinstance(value, list | dict) else spell(value) for column, value in row.items()} for row in rows]
    home.write_rows(f"in/{name}.json", spelled)
    run = home.run("run", f"types_{name}", "--json").json
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (len(rows), 0), run


def rows_of(types):
    rows = [{"id": number, **{column: values[number] for column, (_, values, _) in types.items()}} for number in range(3)]
    return [*rows, {"id": 3, **{column: None for column in types}}, {"id": 4}]


# Prevents any type from being written with a wrong Parquet type, wrong bounds (rows vanish under a filter), or wrong null counts.
def test_every_type(home):
    rows = rows_of(TYPES)
    load(home, {column: one[0] for column, one in TYPES.items()}, rows)
    for row in rows:
        row.update({column: row.get(column) for column in TYPES})
    for column, (_, _, filters) in TYPES.items():
        seen = [{"id": row["id"], column: row[column]} for row in rows]
        filters = [(column, *one) for one in [*filters, ("null",), ("not null",)]]
        # Iceberg's Java library compares the halves of a UUID as signed numbers and prunes what is there, also in Spark's own tables.
        judges = ("pyiceberg", "duckdb") if column == "key" else ALL_JUDGES
        home.lake.assert_judges_agree(TABLE, seen, filters, judges=judges)
        home.lake.assert_judges_agree(TABLE, seen, judges=("spark",))
    table = home.lake.table(TABLE)
    for column, (text, _, _) in TYPES.items():
        assert str(table.schema().find_field(column).field_type) == text


# Prevents times of day from being written as anything else; Spark knows no such type.
def test_time_of_day(home):
    times = [datetime.time(0, 0), datetime.time(12, 30, 0, 1), datetime.time(23, 59, 59, 999999)]
    rows = [{"id": number, "clock": value} for number, value in enumerate([*times, None])]
    load(home, {"clock": "time"}, rows)
    filters = [("clock", "==", times[1]), ("clock", "<", datetime.time(1)), ("clock", "null")]
    home.lake.assert_judges_agree(TABLE, rows, filters, judges=("pyiceberg", "duckdb"))


NESTED = {
    "point": "struct<x: long, label: string, inner: struct<deep: double>>",
    "tags": "list<string>",
    "grid": "list<list<int>>",
    "counts": "map<string, long>",
    "people": "list<struct<name: string, born: date>>",
}
NESTED_ROWS = [
    {"id": 0, "point": {"x": 1, "label": "a", "inner": {"deep": 1.5}}, "tags": ["p", None, "q"], "grid": [[1, 2], [], None], "counts": {"k": 1, "l": None},
     "people": [{"name": "n", "born": datetime.date(1990, 1, 1)}, {"name": None, "born": None}]},
    {"id": 1, "point": {"x": None, "label": None, "inner": None}, "tags": [], "grid": [], "counts": {}, "people": []},
    {"id": 2, "point": {"x": 7, "label": "ü" * 30, "inner": {"deep": NAN}}, "tags": [""], "grid": [[0]], "counts": {"": 0}, "people": [None]},
    {"id": 3, "point": None, "tags": None, "grid": None, "counts": None, "people": None},
]  # fmt: skip


# Prevents nested columns with wrong levels (null, empty, null inside), missing field ids, or bounds of the wrong member.
def test_nested_columns(home):
    def jsonable(value):
        if isinstance(value, dict):
            return {key: jsonable(one) for key, one in value.items()}
        return [jsonable(one) for one in value] if isinstance(value, list) else spell(value)

    load(home, NESTED, [{column: jsonable(value) for column, value in row.items()} for row in NESTED_ROWS])
    filters = [("point.x", ">", 1), ("point.label", "==", "ü" * 30), ("point.label", "starts", "üü"), ("point.x", "==", 1), ("point.inner.deep", "<", 2.0)]
    home.lake.assert_judges_agree(TABLE, NESTED_ROWS, filters, judges=("duckdb", "spark"))
    # PyIceberg 0.12 reads a null list of structs as an empty list, also from Spark's tables.
    others = [{column: value for column, value in row.items() if column != "people"} for row in NESTED_ROWS]
    home.lake.assert_judges_agree(TABLE, others, filters, judges=("pyiceberg",))
    for judge in ALL_JUDGES:
        assert [row["id"] for row in home.lake.read(judge, TABLE, [("point.inner.deep", "nan")], ("id",))] == [2]


# Prevents types so deep that a reader cannot open the table: PyIceberg recurses in Python, PyArrow stops at 100 Parquet levels.
def test_the_deepest_types(home):
    def inside(value, count, wrap):
        return value if count == 0 else wrap(inside(value, count - 1, wrap))

    lists, objects = inside(7, 23, lambda value: [value]), inside(7, 47, lambda value: {"a": value})
    deeper = inside(7, 50, lambda value: [value])
    home.write_rows("in/a.json", [{"id": 1, "lists": lists, "objects": objects, "deeper": deeper}])
    run = home.load("in", "--table", TABLE)
    assert any("deeper" in warning and "48 levels" in warning for warning in run["warnings"]), run
    home.lake.assert_judges_agree(TABLE, [{"id": 1, "lists": lists, "objects": objects}])
    rescued = home.lake.rows(TABLE)[0]["_rescued_data"]
    assert json.loads(rescued) == {"deeper": deeper}
    home.run("rebuild", TABLE)


# Prevents inference from guessing types that a contract would not: JSON's own types, ISO dates and times, structs and lists.
def test_inferred_types(home):
    rows = [
        {"id": 1, "b": True, "n": 3, "x": 1.5, "d": "2024-02-29", "t": "2024-02-29T12:00:00", "z": "2024-02-29T12:00:00+02:00", "s": "a", "o": {"p": 1}, "l": [1, 2]},
        {"id": 2, "b": None, "n": 2**40, "x": 2, "d": None, "t": "2024-02-29 12:00:00.25", "z": "2024-02-29T12:00:00Z", "s": "2024", "o": {"q": "x"}, "l": []},
    ]  # fmt: skip
    home.write_rows("in/a.json", rows)
    home.load("in", "--table", TABLE)
    schema = home.lake.table(TABLE).schema()
    types = {name: str(schema.find_field(name).field_type) for name in "b n x d t z s".split()}
    assert types == {"b": "boolean", "n": "long", "x": "double", "d": "date", "t": "timestamp", "z": "timestamptz", "s": "string"}
    at = datetime.datetime(2024, 2, 29, 12)
    expected = [
        {"id": 1, "b": True, "n": 3, "x": 1.5, "d": at.date(), "t": at, "z": at.replace(hour=10, tzinfo=UTC), "s": "a", "o": {"p": 1, "q": None}, "l": [1, 2]},
        {"id": 2, "b": None, "n": 2**40, "x": 2.0, "d": None, "t": at.replace(microsecond=250000), "z": at.replace(tzinfo=UTC), "s": "2024",
         "o": {"p": None, "q": "x"}, "l": []},
    ]  # fmt: skip
    home.lake.assert_judges_agree(TABLE, expected, [("t", ">", at), ("z", "<", at.replace(tzinfo=UTC)), ("o.p", "==", 1), ("d", "null")])


# Prevents statistics that mix up files: with many files, each filter must find its row in whichever file it lies.
@pytest.mark.parametrize("limit", [None, 1])
def test_filters_over_many_files(home, limit):
    batch = {"batch": {"files_max": limit}} if limit else {}
    names = ["a" * 20 + chr(ord("a") + number) for number in range(6)]
    for number, name in enumerate(names):
        rows_of_file = [(2 * number, name, number / 4), (2 * number + 1, None, "NaN"), (100 + number, "z", 100.0 + number)]
        home.write_rows(f"in/{number}.json", [dict(zip(("id", "name", "v"), row)) for row in rows_of_file])
    rows = [{"id": 2 * number, "name": name, "v": number / 4} for number, name in enumerate(names)]
    rows += [{"id": 2 * number + 1, "name": None, "v": NAN} for number in range(6)]
    rows += [{"id": 100 + number, "name": "z", "v": 100.0 + number} for number in range(6)]
    home.write("contract.yaml", json.dumps({"columns": [{"name": n, "type": t} for n, t in (("id", "long"), ("name", "string"), ("v", "double"))]}))
    home.write("sluice.yaml", json.dumps({"ingestions": {"types": {
        "source": {"paths": ["in/*.json"]}, "table": TABLE, "schema": {"contract": "contract.yaml"}, **batch}}}))  # fmt: skip
    home.run("run", "types")
    # At least two numbers beside NaN in each file: PyArrow takes one number and NaNs for a constant and finds no NaN there.
    filters = [("name", "==", name) for name in names] + [("name", ">", names[4]), ("v", "<", 0.5), ("v", "nan"), ("name", "null")]
    home.lake.assert_judges_agree(TABLE, rows, filters)
