"""What a table is made of by the first files that come, also where these say little; and what its metadata columns hold."""

import datetime
import json

import pytest

from program import numbered

TABLE = "t.events"


def configure(home, **more):
    ingestion = {"table": TABLE, "sources": [{"paths": ["in/*.json"]}], "on_change": "append", **more}
    home.write("sluice.yaml", json.dumps({"ingestions": {"events": ingestion}}))


def sorted_rows(home, key="_source_file"):
    return sorted(home.lake.rows(TABLE), key=lambda row: row[key])


# Prevents rows without a value from failing every run for ever, and good files from waiting behind them.
def test_rows_without_a_value_make_a_table_of_what_is_known(home):
    home.write("in/a.json", '{"a": null}\n')
    home.write("in/b.json", "{}\n")
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"]) == (2, 2), run
    home.write("in/c.json", '{"a": 3}\n')
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 1
    names = [(row["_source_file"].split("/")[-1], row["a"]) for row in sorted_rows(home)]
    assert names == [("a.json", None), ("b.json", None), ("c.json", 3)]


# Prevents columns that only come behind the sample, which saw nothing but nulls, from being lost.
def test_a_column_whose_first_value_comes_late(home):
    count = 65  # a sample is the first 64 MiB
    home.write("in/a.json", ('{"a":null}' + " " * (1 << 20) + "\n") * count + '{"a":5,"b":{"c":1}}\n')
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == count + 1
    (last,) = home.lake.rows(TABLE, where=("a", "not null"))
    assert (last["a"], last["b"]) == (5, {"c": 1})


# Prevents a table without one column; a file for which there is no place keeps no other file out, and is not counted as loaded.
def test_rows_without_a_value_and_without_metadata_columns(home):
    home.write("in/a.json", '{"a": null}\n')
    home.write("in/b.json", "{}\n")
    home.write_rows("in/z.json", [{"a": 1}])
    configure(home, metadata_columns=[], batch={"files_max": 1})
    run = home.run("run", "events", "--json", code=3).json
    assert (run["metrics"]["files_processed"], run["metrics"]["files_failed"], run["metrics"]["records_written"]) == (1, 2, 1), run
    (failed,) = home.ledger("select error_type, error_message from processed_files where file_path like '%a.json'")
    assert failed["error_type"] == "SchemaMismatch" and "no column has a value" in failed["error_message"]
    assert "Name its columns in a contract" in failed["error_message"]
    home.run("retry", "events")
    assert home.states() == {"SUCCESS": 3}
    assert sorted(home.lake.rows(TABLE), key=str) == [{"a": 1}, {"a": None}, {"a": None}]


# Prevents a table of metadata columns alone that could never get another one, and one without the column that it is partitioned by.
@pytest.mark.parametrize("more", [{"schema": {"mode": "fixed"}}, {"schema": {"mode": "rescue"}}, {"partition_by": ["city"]}], ids=str)
def test_rows_without_a_value_make_no_table_that_stays_so(home, more):
    home.write("in/a.json", '{"city": null}\n')
    home.write_rows("in/b.json", [{"city": "Bern"}])
    configure(home, batch={"files_max": 1}, **more)
    run = home.run("run", "events", "--json", code=3).json
    assert (run["metrics"]["files_failed"], run["metrics"]["records_written"]) == (1, 1), run
    (failed,) = home.ledger("select error_message from processed_files where error_type = 'SchemaMismatch'")
    assert "a.json: there is no table yet, and none can be made for its rows" in failed["error_message"]
    home.run("retry", "events")
    assert home.lake.count(TABLE) == 2


# Prevents a table from being made for rows of a file that was not loaded.
def test_a_file_that_failed_makes_no_table(home):
    home.write("in/a.json", '{"a":null}\n' * 1000 + '{"a"\n')
    home.load("in", "--table", TABLE, code=1)
    assert home.states() == {"FAILED": 1} and not list(home.folder.glob("warehouse/**/*.metadata.json"))


# Prevents rows that can only be rescued from having no place in a table without metadata columns.
def test_what_can_only_be_rescued_makes_a_table(home):
    home.write_rows("in/a.json", [{"_source_file": "x"}])
    configure(home, metadata_columns=[])
    home.run("run", "events")
    (row,) = home.lake.rows(TABLE)
    assert json.loads(row["_rescued_data"]) == {"_source_file": "x"}


# Prevents values of a file without a header from landing in the column beside theirs because one of them had no value yet.
def test_files_without_a_header_keep_their_columns(home):
    home.write("in/a.csv", ",5\n,6\n")
    home.load("in", "--table", TABLE, "--no-header")
    home.write("in/b.csv", "7,8\n")
    home.load("in", "--table", TABLE, "--no-header")
    rows = sorted((row["column_2"], row["column_1"]) for row in home.lake.rows(TABLE))
    assert rows == [(5, None), (6, None), (8, 7)]


# Prevents bad rows from vanishing, or from failing the run, where a table's first file holds nothing else; each says where it was.
def test_bad_rows_alone_go_to_quarantine(home):
    file = home.write("in/a.json", 'no row\n{"a": 1\n')
    run = home.load("in", "--table", TABLE, "--on-bad-row", "skip", "--format", "json")
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"], run["metrics"]["rows_rejected"]) == (1, 0, 2), run
    (kept,) = home.folder.glob("warehouse/**/_quarantine/*.ndjson")
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(row["file"], row["line"], row["byte"], row["text"]) for row in rows] == [(f"file://{file}", 1, 0, "no row"), (f"file://{file}", 2, 7, '{"a": 1')]
    assert all(row["reason"] for row in rows)
    home.write_rows("in/b.json", numbered(2))
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 2


# Prevents metadata columns from holding something else than what they are called.
def test_metadata_columns_say_what_they_are_called(home):
    home.write_rows("in/a.json", numbered(2))
    names = ["_source_file", "_source_row", "_loaded_at", "_source_system", "_batch_id"]
    configure(home, metadata_columns=names, sources=[{"source_system": "crm", "paths": ["in/*.json"]}])
    before = datetime.datetime.now(datetime.timezone.utc)
    home.run("run", "events")
    after = datetime.datetime.now(datetime.timezone.utc)
    rows = sorted_rows(home, "id")
    assert [row["_source_row"] for row in rows] == [0, 1]
    assert {row["_source_file"] for row in rows} == {f"file://{home.folder}/in/a.json"}
    assert {row["_source_system"] for row in rows} == {"crm"}
    assert {row["_batch_id"] for row in rows} == {row["id"] for row in home.ledger("select id from batches")}
    (loaded_at,) = {row["_loaded_at"] for row in rows}
    assert before <= loaded_at <= after


# Prevents schema mode rescue from adding a column, or from losing what has no place.
def test_mode_rescue_keeps_what_the_table_has_no_place_for(home):
    configure(home, schema={"mode": "rescue"})
    home.write_rows("in/a.json", [{"id": 1, "size": 5}])
    home.run("run", "events")
    columns = [field.name for field in home.lake.table(TABLE).schema().fields]
    home.write_rows("in/b.json", [{"id": 2, "size": "large", "city": "Bern"}])
    run = home.run("run", "events", "--json").json
    assert run["metrics"]["rows_rescued"] == 1 and run["schema_changes"] == []
    assert [field.name for field in home.lake.table(TABLE).schema().fields] == columns
    (row,) = home.lake.rows(TABLE, where=("id", "==", 2))
    assert row["size"] is None and json.loads(row["_rescued_data"]) == {"size": "large", "city": "Bern"}


# Prevents a contract from being held against the header of files where the ingestion says not to.
def test_a_contract_that_is_not_validated_takes_every_header(home):
    home.write("contract.yaml", json.dumps({"columns": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]}))
    home.write("in/a.csv", "id,city\n1,Bern\n")
    for validate, state, code in ((True, "SKIPPED", 0), (False, "SUCCESS", 0)):
        name = f"validate_{validate}".lower()
        schema = {"contract": "contract.yaml", "validate": validate}
        ingestion = {"table": f"t.{name}", "sources": [{"paths": ["in/*.csv"]}], "schema": schema}
        home.write("sluice.yaml", json.dumps({"ingestions": {name: ingestion}}))
        home.run("run", name, code=code)
        (file,) = home.ledger("select f.status from processed_files f join ingestions i on i.id = f.ingestion_id where i.name = ?", name)
        assert file["status"] == state
    (row,) = home.lake.rows("t.validate_false")
    assert (row["id"], row["name"]) == (1, None) and json.loads(row.get("_rescued_data") or "{}") in ({}, {"city": "Bern"})
