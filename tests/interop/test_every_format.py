"""One suite over every format: the same rows give the same table, whoever reads them; in one table they join by name; errors keep the contract."""

import csv
import datetime
import io
import json

import fastavro
import pyarrow as pa
import pyarrow.compute
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

TABLE = "bronze.rows"
START = datetime.datetime(2024, 2, 28, 23, 59, 59, 999990)
ROWS = [
    {"id": number, "name": None if number % 7 == 0 else f"n{number} ü🙂", "price": None if number % 5 == 0 else number / 8,
     "day": datetime.date(2024, 2, 28) + datetime.timedelta(days=number), "at": START + datetime.timedelta(microseconds=number)}
    for number in range(-20, 3000)
]  # fmt: skip
TYPES = {"id": "long", "name": "string", "price": "double", "day": "date", "at": "timestamp"}
ARROW_SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("price", pa.float64()), ("day", pa.date32()), ("at", pa.timestamp("us"))])


def spelt(row, null=""):
    return {key: null if value is None else value.isoformat() if hasattr(value, "isoformat") else value for key, value in row.items()}


def as_json(rows):
    return "".join(json.dumps(spelt(row, None)) + "\n" for row in rows).encode()


def as_csv(rows, delimiter=","):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(TYPES), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(map(spelt, rows))
    return out.getvalue().encode()


def as_arrow(rows, write, **options):
    sink = pa.BufferOutputStream()
    write(pa.Table.from_pylist(rows, ARROW_SCHEMA), sink, **options)
    return sink.getvalue().to_pybytes()


def as_avro(rows):
    kinds = {"id": "long", "name": "string", "price": "double", "day": {"type": "int", "logicalType": "date"}, "at": {"type": "long", "logicalType": "local-timestamp-micros"}}
    out = io.BytesIO()
    schema = {"type": "record", "name": "row", "fields": [{"name": name, "type": ["null", kind]} for name, kind in kinds.items()]}
    fastavro.writer(out, fastavro.parse_schema(schema), rows, codec="deflate", sync_interval=4000)
    return out.getvalue()


def as_sql(rows):
    kinds = {"id": "bigint", "name": "text", "price": "double precision", "day": "date", "at": "timestamp without time zone"}
    columns = ",\n".join(f"    {name} {kind}" for name, kind in kinds.items())
    lines = ("\t".join("\\N" if value is None else str(value) for value in spelt(row, None).values()) + "\n" for row in rows)
    return f"CREATE TABLE public.rows (\n{columns}\n);\nCOPY public.rows ({', '.join(kinds)}) FROM stdin;\n{''.join(lines)}\\.\n".encode()


FORMATS = {
    "json": as_json,
    "csv": as_csv,
    "tsv": lambda rows: as_csv(rows, "\t"),
    "parquet": lambda rows: as_arrow(rows, pq.write_table, row_group_size=700),
    "orc": lambda rows: as_arrow(rows, pa.orc.write_table),
    "avro": as_avro,
    "sql": as_sql,
}


# Prevents a reader from giving other types or values than its siblings for the same rows, and from numbering them otherwise.
@pytest.mark.parametrize("kind", FORMATS)
def test_same_rows_same_table(home, kind):
    home.write(f"in/rows.{kind}", FORMATS[kind](ROWS))
    run = home.load("in", "--table", TABLE, "--metadata-columns", "_source_file,_source_row")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (len(ROWS), 0)
    table = home.lake.table(TABLE)
    assert {field.name: str(field.field_type) for field in table.schema().fields if field.name in TYPES} == TYPES
    found = table.scan().to_arrow().sort_by("_source_row")
    assert found["_source_row"].to_pylist() == list(range(len(ROWS)))
    assert found.select(list(TYPES)).to_pylist() == ROWS
    assert (home.ledger("select file_format from processed_files")[0]["file_format"]) == {"tsv": "csv"}.get(kind, kind)


# Prevents formats from disagreeing about a table that exists: a column that they lack is null, one that they alone have is added.
def test_all_formats_join_one_table(home):
    few = ROWS[:50]
    for kind in FORMATS:
        home.write(f"in/rows.{kind}", FORMATS[kind](few))
    home.write("in/more.json", json.dumps({"id": 1, "extra": "only here"}) + "\n")
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == len(FORMATS) * len(few) + 1 and run["metrics"]["rows_rescued"] == 0
    rows = home.lake.table(TABLE).scan().to_arrow()
    assert rows.num_rows == len(FORMATS) * len(few) + 1
    assert sorted(map(repr, rows.filter(pa.compute.is_null(rows["extra"])).select(list(TYPES)).to_pylist())) == sorted(map(repr, few * len(FORMATS)))


# Prevents a fixed schema from taking what it must refuse in one format and not in the other; each error says which column.
@pytest.mark.parametrize("kind", FORMATS)
def test_a_fixed_schema_refuses_alike(home, kind):
    home.write("good.json", as_json(ROWS[:5]))
    home.load("good.json", "--table", TABLE, "--name", "first")
    wrong = [{**row, "name": "x"} for row in ROWS[:3]]
    renamed = {"json": b'"name"', "csv": b"name", "tsv": b"name", "sql": b"name"}.get(kind)
    if renamed:
        content = FORMATS[kind](wrong).replace(renamed, renamed.replace(b"name", b"title"))
    else:
        out = io.BytesIO()
        if kind == "avro":
            schema = {"type": "record", "name": "row", "fields": [{"name": "title", "type": "string"}]}
            fastavro.writer(out, fastavro.parse_schema(schema), [{"title": "x"}])
        else:
            table = pa.Table.from_pylist(wrong, ARROW_SCHEMA).rename_columns(["id", "title", "price", "day", "at"])
            (pq.write_table if kind == "parquet" else pa.orc.write_table)(table, out)
        content = out.getvalue()
    home.write(f"in/rows.{kind}", content)
    home.load("in", "--table", TABLE, "--schema-mode", "fixed", code=1)
    (failed,) = home.ledger("select error_type, error_message from processed_files where status = 'FAILED'")
    assert failed["error_type"] == "SchemaMismatch" and "title" in failed["error_message"], failed
