"""Parquet bloom filters: what they say is there is there, for every type that may have one, as DuckDB asks them."""

import json

import duckdb
import pytest

TABLE = "t.events"
ROWS = 3000
# type: the n-th row's value, and how DuckDB is asked for it: it compares a decimal's filter with unscaled numbers only.
VALUES = {
    "int": (lambda n: 7 * n, "{}"),
    "long": (lambda n: 7 * n, "{}"),
    "double": (lambda n: n + 0.5, "{}::double"),
    "date": (lambda n: f"{2000 + n % 50}-01-{1 + n // 120:02}", "'{}'"),
    "string": (lambda n: f"name-{n}", "'{}'"),
    "decimal(9, 2)": (lambda n: n + 0.25, "({} * 100)::int"),
}
FEW = "few"  # a string column with a dictionary


def load(home, properties):
    columns = {f"c{number}": (kind, *spelling) for number, (kind, spelling) in enumerate(VALUES.items())}
    contract = [{"name": name, "type": kind} for name, (kind, _, _) in columns.items()]
    contract += [{"name": FEW, "type": "string"}, {"name": "flag", "type": "boolean"}, {"name": "tags", "type": "list<string>"}]
    home.write("contract.yaml", json.dumps({"columns": contract}))
    rows = [
        {**{name: value(number) for name, (_, value, _) in columns.items()}, FEW: f"few-{number % 5}", "flag": True, "tags": [f"tag-{number}"]}
        for number in range(ROWS)
    ]
    home.write_rows("in/a.json", rows)
    names = [*columns, FEW, "flag", "tags.element"]
    properties = {**{f"write.parquet.bloom-filter-enabled.column.{name}": "true" for name in names}, **properties}
    ingestion = {"table": TABLE, "sources": [{"paths": ["in/*.json"]}], "table_properties": properties, "on_change": "append",
                 "schema": {"contract": "contract.yaml"}}  # fmt: skip
    home.write("sluice.yaml", json.dumps({"ingestions": {"events": ingestion}}))
    home.run("run", "events")
    (file,) = home.folder.glob("warehouse/**/*.parquet")
    return file, columns


def excludes(file, column, value):
    """Whether the file's filters say that the value is nowhere in it."""
    answers = duckdb.sql(f"select bloom_filter_excludes from parquet_bloom_probe('{file}', '{column}', {value})").fetchall()
    assert answers, f"{column} has no bloom filter"
    return all(excluded for (excluded,) in answers)


# Prevents rows that vanish under a filter: a bloom filter that does not know a value that is there, and one that knows everything.
def test_filters_know_what_is_there(home):
    file, columns = load(home, {})
    for name, (kind, value, sql) in columns.items():
        there = {sql.format(value(number)) for number in range(0, ROWS, 37)}
        assert not any(excludes(file, name, one) for one in there), kind
        absent = [sql.format(one) for one in ({"date": [f"19{year}-07-07" for year in range(10, 60)]}.get(kind) or
                                              ([f"x-{n}" for n in range(50)] if kind == "string" else [-7 * n - 1 for n in range(50)]))]  # fmt: skip
        assert sum(excludes(file, name, one) for one in absent) >= 45, kind
    assert not excludes(file, FEW, "'few-3'") and excludes(file, FEW, "'few-7'")
    for name, (kind, value, _) in columns.items():
        literal = f"'{value(74)}'" if kind in ("date", "string") else value(74)
        assert duckdb.sql(f"select count(*) from '{file}' where {name} = {literal}").fetchone()[0] >= 1, name
    home.lake.assert_judges_agree(TABLE, home.lake.rows(TABLE), [("c4", "==", "name-74"), ("c1", "==", 7 * 74)], key="c1")


# Prevents filters that are larger than the table says, or than their values need.
@pytest.mark.parametrize(("properties", "bytes_max"), [({"write.parquet.bloom-filter-max-bytes": "4096"}, 4096), ({}, 16384)])
def test_filters_are_as_large_as_they_may_be(home, properties, bytes_max):
    file, _ = load(home, properties)
    sizes = duckdb.sql(f"select path_in_schema, bloom_filter_length from parquet_metadata('{file}') where bloom_filter_length is not null").fetchall()
    assert len(sizes) == len(VALUES) + 2 and all(0 < size <= bytes_max + 64 for _, size in sizes), sizes
