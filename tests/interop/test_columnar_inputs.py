"""Parquet, ORC and Avro files as PyArrow, DuckDB, Spark and fastavro write them: every type arrives as its writer reads it back."""

import datetime
import io
import math
import random
import uuid
from decimal import Decimal as D

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

TABLE = "bronze.columns"
day, clock, moment, UTC = datetime.date, datetime.time, datetime.datetime, datetime.timezone.utc
UUIDS = [uuid.UUID("00000000-0000-4000-8000-000000000001"), uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7")]

# name: (Arrow type, values as they must come out, table type); every column ends with a null.
ARROW_COLUMNS = {
    "flag": (pa.bool_(), [True, False], "boolean"),
    "i8": (pa.int8(), [-128, 127], "int"),
    "i16": (pa.int16(), [-(2**15), 2**15 - 1], "int"),
    "i32": (pa.int32(), [-(2**31), 2**31 - 1], "int"),
    "i64": (pa.int64(), [-(2**63), 2**63 - 1], "long"),
    "u8": (pa.uint8(), [0, 255], "int"),
    "u16": (pa.uint16(), [0, 2**16 - 1], "int"),
    "u32": (pa.uint32(), [0, 2**32 - 1], "long"),
    "u64": (pa.uint64(), [0, 2**64 - 1], "decimal(20, 0)"),
    "f16": (pa.float16(), [1.5, -0.25], "float"),
    "f32": (pa.float32(), [1.5, float("nan")], "float"),
    "f64": (pa.float64(), [0.1, float("-inf")], "double"),
    "d9": (pa.decimal128(9, 2), [D("-1234567.89"), D("0.00")], "decimal(9, 2)"),
    "d18": (pa.decimal128(18, 4), [D("12345678901234.5678"), D("-0.0001")], "decimal(18, 4)"),
    "d38": (pa.decimal128(38, 10), [D("-1234567890123456789012345678.0123456789"), D("0E-10")], "decimal(38, 10)"),
    "day32": (pa.date32(), [day(1, 1, 1), day(9999, 12, 31)], "date"),
    "day64": (pa.date64(), [day(1969, 12, 31), day(2024, 2, 29)], "date"),
    "t32": (pa.time32("ms"), [clock(0), clock(23, 59, 59, 999000)], "time"),
    "t64": (pa.time64("us"), [clock(0, 0, 0, 1), clock(23, 59, 59, 999999)], "time"),
    "ts_ms": (pa.timestamp("ms"), [moment(1969, 12, 31, 23, 59, 59, 999000), moment(2024, 2, 29, 12)], "timestamp"),
    "ts_us": (pa.timestamp("us"), [moment(1, 1, 1), moment(9999, 12, 31, 23, 59, 59, 999999)], "timestamp"),
    "ts_ns": (pa.timestamp("ns"), [moment(1969, 12, 31, 23, 59, 59, 999999), moment(2024, 2, 29, 12)], "timestamp"),
    "tstz": (pa.timestamp("us", "Europe/Berlin"), [moment(1969, 12, 31, 23, 59, 59, 1, UTC), moment(2024, 2, 29, 12, tzinfo=UTC)], "timestamptz"),
    "text": (pa.string(), ["", "ü🙂" * 20], "string"),
    "large_text": (pa.large_string(), ["", "ü🙂"], "string"),
    "raw": (pa.binary(), [b"", b"\x00\xff"], "binary"),
    "large_raw": (pa.large_binary(), [b"", b"\x00\xff"], "binary"),
    "fixed": (pa.binary(3), [b"abc", b"\x00\x00\xff"], "fixed[3]"),
    "key": (pa.uuid(), [one.bytes for one in UUIDS], "uuid"),
    "word": (pa.dictionary(pa.int8(), pa.string()), ["a", "b"], "string"),
    "pair": (pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]), [{"x": 1, "y": ["a", None]}, {"x": None, "y": []}], "struct<x: long, y: list<string>>"),
    "items": (pa.list_(pa.int32()), [[1, None, 3], []], "list<int>"),
    "deep": (pa.list_(pa.list_(pa.float64())), [[[0.5], []], []], "list<list<double>>"),
    "lookup": (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], []], "map<string, long>"),
}  # fmt: skip


def arrow_table():
    def array(kind, values):
        if pa.types.is_dictionary(kind):
            return pa.array(values, kind.value_type).dictionary_encode()
        return pa.array(values, kind)

    return pa.table({"id": [1, 2, 3], **{name: array(kind, [*values, None]) for name, (kind, values, _) in ARROW_COLUMNS.items()}})


def plain(value):
    """Values of different libraries, made comparable: UUIDs as bytes, NaN as text, maps as lists of pairs."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [tuple(map(plain, one)) if isinstance(one, tuple) else plain(one) for one in value]
    if isinstance(value, moment) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return value


def assert_loaded(home, expected, **options):
    """`expected`: {column: values by id}. Read with PyIceberg's Arrow reader."""
    table = home.lake.table(TABLE).scan().to_arrow().sort_by("id")
    for name, values in expected.items():
        assert [plain(one) for one in table[name].to_pylist()] == [plain(one) for one in values], name


# Prevents a type of Arrow's from being read as another one, or values from being changed; whatever the file is called.
@pytest.mark.parametrize("options", [{}, {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 1}, {"store_schema": False, "use_dictionary": False}])
def test_parquet_of_pyarrow(home, options):
    source = arrow_table()
    (home.folder / "in").mkdir()
    pq.write_table(source, home.folder / "in/rows.data", **options)
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 3 and run["metrics"]["rows_rescued"] == 0
    types = {field.name: str(field.field_type) for field in home.lake.table(TABLE).schema().fields}
    for name, (_, values, kind) in ARROW_COLUMNS.items():
        if kind.startswith(("struct", "list", "map")) or not options.get("store_schema", True):
            continue
        assert types[name] == kind, name
    # Without Arrow's own schema in the file a UUID is a UUID still, and 16-bit floats are; Parquet itself says so.
    assert_loaded(home, {name: [*values, None] for name, (_, values, _) in ARROW_COLUMNS.items()} | {"id": [1, 2, 3]})


# Prevents what DuckDB alone writes (its row groups, its timestamps in seconds and nanoseconds, enums, hugeints) from being misread.
def test_parquet_of_duckdb(home):
    (home.folder / "in").mkdir()
    duck = duckdb.connect()
    duck.sql("set timezone = 'UTC'")
    rows = f"""select id::int id, id % 2 = 0 flag, (id % 100)::tinyint i8, (id % 200)::utinyint u8, id::ubigint u64, id / 3.0 f64, (id / 8)::float f32,
        (id / 4)::decimal(9, 2) d9, (id / 4)::decimal(30, 5) d30, date '2024-02-28' + id::int as "day", time '01:02:03.000004' t,
        timestamp '1969-12-31 23:59:59.999999' ts, timestamptz '2024-02-29 12:00:00+02' tstz, timestamp_s '2024-02-29 12:00:00' ts_s,
        timestamp_ms '2024-02-29 12:00:00.001' ts_ms, timestamp_ns '2024-02-29 12:00:00.000001' ts_ns, 'ü' || id as s, ('a' || id)::blob raw,
        uuid '{UUIDS[1]}' as id_key, {{'x': id, 'y': ['a', null]}} pair, [id, null] items, map {{'k': id}} lookup, null::int as nothing,
        ['red', 'green'][1 + id::int % 2]::enum('red', 'green') as word from range(5000) r(id)"""
    duck.sql(f"copy ({rows}) to '{home.folder}/in/rows.parquet' (format parquet, row_group_size 2048)")
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 5000 and run["metrics"]["rows_rescued"] == 0
    expected = duck.sql(f"select * from read_parquet('{home.folder}/in/rows.parquet') order by id").to_arrow_table().to_pydict()
    assert_loaded(home, expected | {"id_key": [UUIDS[1].bytes] * 5000})  # DuckDB hands UUIDs over as text


# Prevents Spark's INT96 timestamps (instants) and its old decimals and lists from being misread.
@pytest.mark.parametrize("legacy", [False, True])
def test_parquet_of_spark(home, legacy):
    spark = home.lake.spark
    names = {"spark.sql.parquet.outputTimestampType": "INT96" if legacy else "TIMESTAMP_MICROS", "spark.sql.parquet.writeLegacyFormat": str(legacy).lower()}
    for name, value in names.items():
        spark.conf.set(name, value)
    rows = """select cast(id as int) id, cast(id as smallint) i16, cast(id / 4 as decimal(9, 2)) d9, cast(id / 4 as decimal(30, 5)) d30,
        date_add(date '2024-02-28', cast(id as int)) day, timestamp '1969-12-31 23:59:59.999999 UTC' at, timestamp '2300-01-01 00:00:00 UTC' late,
        array(id, null) items, named_struct('x', id, 'y', array('a')) pair, map('k', id) lookup, cast('ab' as binary) raw from range(100)"""
    spark.sql(rows).coalesce(1).write.parquet(str(home.folder / "in"))
    for name in names:
        spark.conf.unset(name)
    run = home.load("in/*.parquet", "--table", TABLE)
    assert run["metrics"]["records_written"] == 100 and run["metrics"]["rows_rescued"] == 0
    ids = range(100)
    assert_loaded(home, {
        "id": list(ids), "i16": list(ids), "d9": [D(one * 25) / 100 for one in ids], "d30": [D(one * 25) / 100 for one in ids],
        "day": [day(2024, 2, 28) + datetime.timedelta(days=one) for one in ids],
        "at": [moment(1969, 12, 31, 23, 59, 59, 999999, UTC)] * 100, "late": [moment(2300, 1, 1, tzinfo=UTC)] * 100,
        "items": [[one, None] for one in ids], "pair": [{"x": one, "y": ["a"]} for one in ids], "lookup": [[("k", one)] for one in ids],
        "raw": [b"ab"] * 100,
    })  # fmt: skip


# Prevents columns from being taken by position, and values that do not fit from being dropped or changed.
def test_parquet_joins_a_table(home):
    home.write_rows("in/a.json", [{"id": 1, "name": "x", "pair": {"x": 1}}])
    home.load("in", "--table", TABLE)
    pq.write_table(pa.table({"extra": [1.5, None], "name": ["y", "z"], "pair": [{"x": 2, "y": "new"}, None], "id": pa.array([2, 3], pa.int32()), "lost": pa.array([1, None], pa.duration("s"))}),
                   home.folder / "in/b.parquet")  # fmt: skip
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["rows_rescued"] == 1
    assert_loaded(home, {"id": [1, 2, 3], "name": ["x", "y", "z"], "extra": [None, 1.5, None], "_rescued_data": [None, '{"lost": "1"}', None],
                         "pair": [{"x": 1, "y": None}, {"x": 2, "y": "new"}, None]})  # fmt: skip


# ORC has no unsigned and no 16-bit float, no time of day, no UUID and no dictionary; its timestamps with zone are instants.
NOT_IN_ORC = {"u8", "u16", "u32", "u64", "f16", "t32", "t64", "key", "word", "day64", "fixed", "ts_ms", "ts_us"}


# Prevents a type of ORC's from being read as another one, and stripes from being lost.
@pytest.mark.parametrize("compression", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_orc_of_pyarrow(home, compression):
    source = pa.concat_tables([arrow_table().drop_columns(list(NOT_IN_ORC))] * 1000).set_column(0, "id", pa.array(range(3000)))
    source = source.append_column("noise", pa.array([random.Random(number).randbytes(50).hex() for number in range(3000)]))
    (home.folder / "in").mkdir()
    pa.orc.write_table(source, home.folder / "in/rows.data", compression=compression, stripe_size=64 << 10, batch_size=256)
    assert pa.orc.ORCFile(home.folder / "in/rows.data").nstripes > 1
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 3000 and run["metrics"]["rows_rescued"] == 0
    expected = {name: [*ARROW_COLUMNS[name][1], None] * 1000 for name in source.column_names if name in ARROW_COLUMNS}
    assert_loaded(home, expected | {"id": list(range(3000)), "noise": source["noise"].to_pylist()})


# Prevents what Spark's own ORC writer does (timestamps relative to its time zone, chars, its decimals) from being misread.
def test_orc_of_spark(home):
    home.lake.spark.sql("""select cast(id as int) id, cast(id as tinyint) i8, cast(id / 4 as decimal(9, 2)) d9, cast(id / 4 as decimal(30, 5)) d30,
        date_add(date '2024-02-28', cast(id as int)) day, timestamp_ntz '1969-12-31 23:59:59.999999' ts, array(id, null) items,
        named_struct('x', id, 'y', array('a')) pair, map('k', id) lookup, cast('ab' as binary) raw, float('nan') f32 from range(100)""").coalesce(1).write.orc(str(home.folder / "in"))
    run = home.load("in/*.orc", "--table", TABLE)
    assert run["metrics"]["records_written"] == 100 and run["metrics"]["rows_rescued"] == 0
    ids = range(100)
    assert_loaded(home, {
        "id": list(ids), "i8": list(ids), "d9": [D(one * 25) / 100 for one in ids], "d30": [D(one * 25) / 100 for one in ids],
        "day": [day(2024, 2, 28) + datetime.timedelta(days=one) for one in ids],
        "items": [[one, None] for one in ids], "pair": [{"x": one, "y": ["a"]} for one in ids], "lookup": [[("k", one)] for one in ids],
        "raw": [b"ab"] * 100, "f32": [float("nan")] * 100,
    })  # fmt: skip


def logical(base, meaning, **more):
    return {"type": base, "logicalType": meaning, **more}


# name: (Avro type, values as they must come out, table type)
AVRO_COLUMNS = {
    "flag": ("boolean", [True, False], "boolean"),
    "i32": ("int", [-(2**31), 2**31 - 1], "int"),
    "i64": ("long", [-(2**63), 2**63 - 1], "long"),
    "f32": ("float", [1.5, float("nan")], "float"),
    "f64": ("double", [0.1, float("-inf")], "double"),
    "text": ("string", ["", "ü🙂" * 20], "string"),
    "raw": ("bytes", [b"", b"\x00\xff"], "binary"),
    "fixed": ({"type": "fixed", "name": "three", "size": 3}, [b"abc", b"\x00\x00\xff"], "fixed[3]"),
    "word": ({"type": "enum", "name": "word", "symbols": ["red", "green"]}, ["green", "red"], "string"),
    "d9": (logical("bytes", "decimal", precision=9, scale=2), [D("-1234567.89"), D("0.00")], "decimal(9, 2)"),
    "d38": (logical("fixed", "decimal", precision=38, scale=10, name="d38", size=16), [D("-1234567890123456789012345678.0123456789"), D("0E-10")], "decimal(38, 10)"),
    "day": (logical("int", "date"), [day(1, 1, 1), day(9999, 12, 31)], "date"),
    "t_ms": (logical("int", "time-millis"), [clock(0), clock(23, 59, 59, 999000)], "time"),
    "t_us": (logical("long", "time-micros"), [clock(0, 0, 0, 1), clock(23, 59, 59, 999999)], "time"),
    "ts_ms": (logical("long", "timestamp-millis"), [moment(1969, 12, 31, 23, 59, 59, 999000, UTC), moment(2024, 2, 29, 12, tzinfo=UTC)], "timestamptz"),
    "ts_us": (logical("long", "timestamp-micros"), [moment(1969, 12, 31, 23, 59, 59, 999999, UTC), moment(2024, 2, 29, 12, tzinfo=UTC)], "timestamptz"),
    "local_ms": (logical("long", "local-timestamp-millis"), [moment(1969, 12, 31, 23, 59, 59, 999000), moment(2024, 2, 29, 12)], "timestamp"),
    "local_us": (logical("long", "local-timestamp-micros"), [moment(1969, 12, 31, 23, 59, 59, 999999), moment(2024, 2, 29, 12)], "timestamp"),
    "key": (logical("string", "uuid"), UUIDS, "string"),
    "pair": ({"type": "record", "name": "pair", "fields": [{"name": "x", "type": ["null", "long"]}, {"name": "y", "type": {"type": "array", "items": ["string", "null"]}}]},
             [{"x": 1, "y": ["a", None]}, {"x": None, "y": []}], "struct<x: long, y: list<string>>"),
    "lookup": ({"type": "map", "values": ["null", "long"]}, [{"a": 1, "b": None}, {}], "map<string, long>"),
    "number": (["null", "int", "long"], [7, 2**40], "long"),
    "either": (["null", "string", "long"], ["a", 5], "struct<member0: string, member1: long>"),
}  # fmt: skip


# Prevents a codec or a logical type of Avro's from being unknown, and unions from losing the branch that was not expected.
@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2", "xz", "zstandard"])
def test_avro_of_fastavro(home, codec):
    fields = [{"name": name, "type": kind if isinstance(kind, list) else ["null", kind]} for name, (kind, _, _) in AVRO_COLUMNS.items()]
    schema = {"type": "record", "name": "row", "namespace": "test", "fields": [{"name": "id", "type": "int"}, {"name": "nothing", "type": "null"}, *fields]}
    rows = [{"id": number, **{name: values[number] if number < 2 else None for name, (_, values, _) in AVRO_COLUMNS.items()}} for number in range(3)]
    (home.folder / "in").mkdir()
    with open(home.folder / "in/rows.data", "wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, codec=codec, sync_interval=1)
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 3 and run["metrics"]["rows_rescued"] == 0
    types = {field.name: str(field.field_type) for field in home.lake.table(TABLE).schema().fields}
    for name, (_, _, kind) in AVRO_COLUMNS.items():
        assert types[name] == kind or kind.startswith(("struct", "map")), name
    assert "nothing" not in types
    expected = {name: [*values, None] for name, (_, values, _) in AVRO_COLUMNS.items()}
    expected["key"] = [*map(str, UUIDS), None]
    expected["lookup"] = [list(one.items()) if one is not None else None for one in expected["lookup"]]
    expected["either"] = [{"member0": "a", "member1": None}, {"member0": None, "member1": 5}, None]
    assert_loaded(home, expected)


# Prevents half an upload, or a flipped bit, from being loaded in part. ORC has no checksums, so there a flipped bit may pass.
@pytest.mark.parametrize("kind", ["orc", "avro", "parquet"])
def test_damaged_files_fail_alone(home, kind):
    source = pa.table({"id": range(5000), "name": [f"n{number}" for number in range(5000)]})
    whole = pa.BufferOutputStream()
    if kind == "avro":
        whole = io.BytesIO()
        schema = {"type": "record", "name": "row", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]}
        fastavro.writer(whole, fastavro.parse_schema(schema), source.to_pylist(), codec="snappy")
    elif kind == "orc":
        pa.orc.write_table(source, whole, compression="zlib")
    else:
        pq.write_table(source, whole, write_page_checksum=True)
    content = whole.getvalue() if kind == "avro" else whole.getvalue().to_pybytes()
    home.write("in/whole", content)
    home.write("in/half", content[: len(content) // 2])
    if kind != "orc":
        flipped = bytearray(content)
        for at in range(16):
            flipped[len(content) // 2 + at] ^= 0x10
        home.write("in/flipped", bytes(flipped))
    run = home.load("in", "--table", TABLE, code=3)
    assert (run["metrics"]["files_processed"], run["metrics"]["files_failed"]) == (1, 1 if kind == "orc" else 2)
    for failed in home.ledger("select file_path, error_type, error_message from processed_files where status = 'FAILED'"):
        assert failed["error_type"] == "ParseError", failed
    assert home.lake.count(TABLE) == 5000
