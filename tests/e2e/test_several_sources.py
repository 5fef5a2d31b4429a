"""Several prefixes on S3 in one ingestion of sluice.yaml, its ledger and catalog in PostgreSQL, run from the command line."""

import json
import uuid
import zipfile

import pytest
import yaml

from lakes import PostgresLake
from program import as_csv, numbered
from stack import CATALOG, environment_of

TABLE = "bronze.orders"


@pytest.fixture
def lakehouse(home, s3_server, postgres):
    """A home whose sluice.yaml has a catalog in PostgreSQL and a bucket of its own for sources and warehouse."""
    home.bucket = s3_server.make_bucket(f"sources-{uuid.uuid4().hex[:8]}")
    home.s3 = s3_server
    home.lake = PostgresLake(postgres, s3_server, f"s3://{home.bucket}/warehouse", CATALOG)
    home.extra_environment = environment_of(s3_server, postgres)
    home.postgres = postgres
    return home


def configure(home, paths=None, **ingestion):
    store = {**home.s3.properties, "s3.secret-access-key": "${env:TEST_S3_SECRET}"}
    uri = home.postgres.uri.replace(home.postgres.password, "${env:TEST_POSTGRES_PASSWORD}")
    paths = paths or {part: f"{part}/*.csv" for part in ("north", "south")}
    sources = [{"id": part, "paths": [f"s3://{home.bucket}/{path}"], "format": "csv", **store} for part, path in paths.items()]
    settings = {
        "ledger": uri,
        "catalogs": {CATALOG: {"type": "sql", "uri": uri, "warehouse": home.lake.warehouse, **store}},
        "ingestions": {"orders": {"sources": sources, "table": f"{CATALOG}.{TABLE}", **ingestion}},
    }
    (home.folder / "sluice.yaml").write_text(yaml.safe_dump(settings))


def put_csv(home, key, rows):
    home.s3.client.put_object(Bucket=home.bucket, Key=key, Body=as_csv(rows).encode())


def put_first_files(home):
    put_csv(home, "north/1.csv", numbered(50))
    put_csv(home, "north/2.csv", numbered(30, 51))
    put_csv(home, "south/1.csv", numbered(20, 81))


def counts(run):
    return run["metrics"]["files_processed"], run["metrics"]["records_written"]


# Prevents an ingestion that mixes up its sources' files, counts their rows wrongly, or says something else than what operators search
# their logs for.
def test_two_prefixes_then_one_file_more(lakehouse):
    home = lakehouse
    configure(home)
    put_first_files(home)
    assert counts(home.run("run", "orders", "--json").json) == (3, 100)
    said = home.run("run", "orders").text
    for line in ("Found 3 total file(s) across all sources", "Skipped 3 already-processed file(s)", "All files have been processed. No new data to ingest."):
        assert line in said, said
    put_csv(home, "south/2.csv", numbered(15, 101))
    said = home.run("run", "orders").text
    for line in ("Found 4 total file(s) across all sources", "Skipped 3 already-processed file(s)", "Processing 1 file(s)", "Writing 15 rows to", "Marked 1 file(s) as processed"):
        assert line in said, said
    prefix = f"s3://{home.bucket}"
    assert home.lake.files_of_rows(TABLE) == {f"{prefix}/north/1.csv": 50, f"{prefix}/north/2.csv": 30, f"{prefix}/south/1.csv": 20, f"{prefix}/south/2.csv": 15}
    listed = home.run("files", "orders", "--json").json["files"]
    assert {(one["source_id"], one["file_path"].removeprefix(prefix), one["records_ingested"]) for one in listed} == {
        ("north", "/north/1.csv", 50), ("north", "/north/2.csv", 30), ("south", "/south/1.csv", 20), ("south", "/south/2.csv", 15),
    }  # fmt: skip
    home.lake.assert_judges_agree(TABLE, numbered(115))


# Prevents a file that two sources list from being loaded twice, or from standing in the way of every load (two records of it in one batch).
@pytest.mark.parametrize("files_max", [1, 100])
def test_overlapping_sources_load_a_file_once(lakehouse, files_max):
    home = lakehouse
    configure(home, {"all": "**/*.csv", "north": "north/*.csv"}, batch={"files_max": files_max})
    put_first_files(home)
    first = home.run("run", "orders", "--json").json
    assert counts(first) == (3, 100) and first["metrics"]["files_unchanged"] == 0
    second = home.run("run", "orders", "--json").json
    assert counts(second) == (0, 0) and second["metrics"]["files_unchanged"] == 3
    put_csv(home, "north/3.csv", numbered(15, 101))
    said = home.run("run", "orders").text
    for line in ("Found 4 total file(s) across all sources", "Skipped 3 already-processed file(s)", "Processing 1 file(s)"):
        assert line in said, said
    home.lake.assert_judges_agree(TABLE, numbered(115))


# Prevents the same with a local ledger, with the narrow source first or last, and with members of an archive that both list.
@pytest.mark.parametrize("files_max", [1, 100])
@pytest.mark.parametrize("order", [("landing", "landing/north"), ("landing/north", "landing")])
def test_overlapping_folders_load_a_file_once(home, order, files_max):
    sources = [{"id": path.replace("/", "-"), "paths": [path]} for path in order]
    ingestion = {"sources": sources, "table": TABLE, "on_change": "append", "batch": {"files_max": files_max}}
    home.write("sluice.yaml", yaml.safe_dump({"ingestions": {"orders": ingestion}}))
    home.write_rows("landing/a.json", numbered(5))
    home.write_rows("landing/north/b.json", numbered(5, 6))
    with zipfile.ZipFile(home.folder / "landing/north/c.zip", "w") as archive:
        archive.writestr("c.json", json.dumps({"id": 11, "name": "n11"}) + "\n")
    for processed in (4, 0):
        run = home.run("run", "orders", "--json").json
        assert run["status"] == "COMPLETED" and run["files_processed"] == processed, run
    assert run["metrics"]["files_unchanged"] == 3
    assert home.lake.count(TABLE) == 11
    home.write_rows("landing/north/b.json", numbered(7, 100))
    assert counts(home.run("run", "orders", "--json").json) == (1, 7)
    assert home.lake.count(TABLE) == 18
    # A source that gets another name knows what the old one loaded.
    sources[1]["id"] = "renamed"
    home.write("sluice.yaml", yaml.safe_dump({"ingestions": {"orders": ingestion}}))
    home.write_rows("landing/a.json", numbered(3, 200))
    assert counts(home.run("run", "orders", "--json").json) == (1, 3)
    assert home.lake.count(TABLE) == 21


# Prevents a wrong header from spoiling a table (it stays out, the others load), and strict_mode from loading anything beside it.
@pytest.mark.parametrize("strict", [False, True])
def test_header_contracts(lakehouse, strict):
    home = lakehouse
    home.write("orders.yaml", "columns:\n  - {name: id, type: long}\n  - {name: name, type: string}\n")
    configure(home, schema={"contract": "orders.yaml", "validate": True, "strict_mode": strict})
    put_first_files(home)
    put_csv(home, "south/wrong.csv", [{"id": 500, "nmae": "x"}])
    if strict:
        run = home.run("run", "orders", "--json", code=1).json
        assert run["status"] == "FAILED" and "south/wrong.csv" in run["error"] and counts(run) == (0, 0)
        return
    run = home.run("run", "orders", "--json", code=None).json
    assert run["status"] == "COMPLETED" and counts(run) == (3, 100) and run["metrics"]["files_skipped"] == 1
    (skipped,) = home.run("files", "orders", "--status", "skipped", "--json").json["files"]
    assert skipped["error_type"] == "SchemaMismatch" and skipped["file_path"].endswith("/south/wrong.csv")
    home.lake.assert_judges_agree(TABLE, numbered(100))


# Prevents `tracking: false` from remembering, and from forgetting to load.
def test_without_tracking_everything_is_loaded_again(lakehouse):
    home = lakehouse
    configure(home, tracking=False)
    put_first_files(home)
    for _ in range(2):
        assert counts(home.run("run", "orders", "--json").json) == (3, 100)
    assert home.lake.count(TABLE) == 200
    assert home.postgres.query("select count(*) n from processed_files") == [{"n": 0}]
