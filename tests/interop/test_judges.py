"""The judges themselves, on tables that they wrote: a judge that sees nothing wrong anywhere proves nothing."""

import datetime
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from judges import ALL_JUDGES

UTC = datetime.timezone.utc
SCHEMA = pa.schema([
    ("id", pa.int64()), ("flag", pa.bool_()), ("small", pa.int32()), ("ratio", pa.float32()), ("value", pa.float64()), ("price", pa.decimal128(9, 2)),
    ("day", pa.date32()), ("at", pa.timestamp("us")), ("instant", pa.timestamp("us", tz="UTC")), ("name", pa.string()), ("raw", pa.binary()),
    ("point", pa.struct([("x", pa.int64()), ("label", pa.string())])), ("tags", pa.list_(pa.string())), ("counts", pa.map_(pa.string(), pa.int64())),
])  # fmt: skip
ROWS = [
    {"id": 1, "flag": True, "small": -5, "ratio": 0.5, "value": 2.25, "price": Decimal("10.50"), "day": datetime.date(2024, 2, 29),
     "at": datetime.datetime(2024, 2, 29, 12, 30, 0, 1), "instant": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "name": "it's ü", "raw": b"\x00\xff",
     "point": {"x": 1, "label": "a"}, "tags": ["p", "q"], "counts": {"k": 1}},
    {"id": 2, "flag": False, "small": 7, "ratio": 1.5, "value": float("nan"), "price": Decimal("-0.01"), "day": datetime.date(1969, 12, 31),
     "at": datetime.datetime(1969, 12, 31, 23, 59, 59), "instant": datetime.datetime(1969, 12, 31, tzinfo=UTC), "name": "z", "raw": b"",
     "point": {"x": 2, "label": None}, "tags": [], "counts": {}},
    {"id": 3, **{name: None for name in SCHEMA.names[1:]}},
]  # fmt: skip
FILTERS = [
    ("id", ">", 1), ("flag", "==", True), ("small", "<", 0), ("ratio", ">=", 1.0), ("value", "<", 3.0), ("value", "nan"), ("price", "==", Decimal("10.50")),
    ("price", "<", Decimal("0.00")), ("day", "<", datetime.date(1970, 1, 1)), ("at", ">=", datetime.datetime(2024, 1, 1)), ("name", "starts", "it"),
    ("instant", "==", datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)), ("name", "==", "it's ü"), ("raw", "==", b"\x00\xff"), ("point.x", ">", 1),
    ("day", "null"), ("name", "not null"), ("id", "in", [1, 3]), ("flag", "!=", True),
]  # fmt: skip


def write(lake, rows):
    catalog = lake.pyiceberg
    lake.warehouse.mkdir(exist_ok=True)
    catalog.create_namespace_if_not_exists("bronze")
    table = catalog.create_table_if_not_exists("bronze.events", schema=SCHEMA)
    table.append(pa.Table.from_pylist(rows, schema=SCHEMA))


# Prevents judges that disagree among themselves about a correct table: their verdict on ours would mean nothing.
def test_judges_agree_on_a_table_of_pyiceberg(lake):
    write(lake, ROWS)
    lake.assert_judges_agree("bronze.events", ROWS, FILTERS)


# Prevents a comparison that passes whatever is read: each judge must notice a wrong value, a missing row and a doubled one.
@pytest.mark.parametrize("judge", ALL_JUDGES)
def test_judges_notice_what_is_wrong(lake, judge):
    write(lake, ROWS)
    for wrong in (
        [{**ROWS[0], "name": "its ü"}, *ROWS[1:]],
        [{**ROWS[0], "at": ROWS[0]["instant"]}, *ROWS[1:]],
        [ROWS[0], {**ROWS[1], "value": 1.0}, ROWS[2]],
        ROWS[:2],
        [*ROWS, {**ROWS[2], "id": 4}],
    ):
        with pytest.raises(AssertionError, match=judge):
            lake.assert_judges_agree("bronze.events", wrong, judges=[judge])
    write(lake, ROWS[:1])
    with pytest.raises(AssertionError, match="twice"):
        lake.assert_judges_agree("bronze.events", ROWS, judges=[judge])


# Prevents a Spark session that still looks into the catalog of the test before.
def test_each_catalog_has_its_own_spark_session(lake, tmp_path):
    from judges import Lake

    write(lake, ROWS[:1])
    other = Lake(tmp_path / "other.db", tmp_path / "other")
    write(other, ROWS[1:])
    assert [row.id for row in lake.sql("select id from local.bronze.events")] == [1]
    assert sorted(row.id for row in other.sql("select id from local.bronze.events")) == [2, 3]


# Prevents tests that treat a UUID as text in one judge and as bytes in another.
def test_uuids_compare_across_judges(lake):
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField, UUIDType

    one = uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7")
    lake.warehouse.mkdir()
    lake.pyiceberg.create_namespace("bronze")
    lake.pyiceberg.create_table("bronze.u", schema=Schema(NestedField(1, "id", LongType()), NestedField(2, "u", UUIDType())))
    lake.sql(f"insert into local.bronze.u values (1, '{one}'), (2, null)")
    lake.assert_judges_agree("bronze.u", [{"id": 1, "u": one}, {"id": 2, "u": None}], [("u", "==", one), ("u", "null")])
