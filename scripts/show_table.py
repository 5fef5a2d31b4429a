"""Prints a table of the catalog in the present folder and its rows per source file, read by PyIceberg's catalog and DuckDB."""

import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb
from pyiceberg.catalog.sql import SqlCatalog


def connect():
    """DuckDB with the Iceberg extension from its wheel."""
    connection = duckdb.connect()
    for name in ("avro", "iceberg"):
        folder = Path(find_spec(f"duckdb_extension_{name}").origin).parent / "extensions"
        connection.load_extension(str(next(folder.glob(f"*/{name}.duckdb_extension"))))
    return connection


catalog = SqlCatalog("local", uri=f"sqlite:///{Path.cwd()}/.sluice/catalog.db", warehouse=f"file://{Path.cwd()}/warehouse")
location = catalog.load_table(sys.argv[1]).metadata_location.removeprefix("file://").replace("'", "''")
connection = connect()
connection.execute(f"create view events as from iceberg_scan('{location}')")
connection.sql("from events order by id limit 10").show()
connection.sql(
    "select parse_filename(_source_file) as file, count(*) as rows, count(distinct id) as ids from events group by all order by file"
).show()
