"""Table properties that nobody can read: found before there is a table or a staged file, and repaired without losing anything."""

import json

import pytest

from program import numbered

TABLE = "t.events"


def configure(home, name, value):
    ingestion = {"table": TABLE, "sources": [{"paths": ["in/*.json"]}], "table_properties": {name: value}}
    home.write("sluice.yaml", json.dumps({"ingestions": {"events": ingestion}}))


BAD = [
    ("write.parquet.compression-codec", "zip"),
    ("write.metadata.previous-versions-max", "lots"),
    ("write.metadata.compression-codec", "zip"),
    ("commit.manifest.min-count-to-merge", "100x"),
    ("commit.manifest-merge.enabled", "no"),
    ("write.data.path", "./data"),
    ("write.data.path", "hdfs://namenode/data"),
]
# PyIceberg would follow the second one into its own working folder.
BAD_OF_NEW_TABLES = [("format-version", "3"), ("write.metadata.path", "meta"), ("write.format.default", "orc")]


# Prevents an empty table that was made with the bad value: corrected configuration would not reach it any more; and a run that can only fail.
@pytest.mark.parametrize(("name", "value"), BAD + BAD_OF_NEW_TABLES)
def test_no_table_is_made_with_a_bad_property(home, name, value):
    home.write_rows("in/a.json", numbered(3))
    configure(home, name, value)
    refused = home.run("run", "events", code=2)
    assert name in refused.text and f'"{value}" is not' in refused.text and "table_properties" in refused.text, refused
    assert not (home.folder / ".sluice").exists(), "there is no run, no ledger and no catalog"
    configure(home, "owner", "somebody")
    assert home.run("run", "events", "--json").json["metrics"]["records_written"] == 3
    assert home.lake.count(TABLE) == 3


# Prevents a batch that is staged and prepared for a table into which nothing can be committed, and that cannot even be given up. (PyIceberg refuses
# to write a number of previous versions that it cannot read.)
@pytest.mark.parametrize(("name", "value"), [one for one in BAD if "previous-versions" not in one[0]])
def test_nothing_is_staged_for_a_table_with_a_bad_property(home, name, value):
    home.write_rows("in/a.json", numbered(3))
    home.load("in", "--table", TABLE)
    home.lake.table(TABLE).transaction().set_properties({name: value}).commit_transaction()
    files = sorted(path for path in home.folder.rglob("*.parquet"))
    home.write_rows("in/b.json", numbered(2, 4))
    refused = home.run("load", "in", "--table", TABLE, code=1)
    assert name in refused.text and f'"{value}" is not' in refused.text and "SET TBLPROPERTIES" in refused.text, refused
    assert sorted(path for path in home.folder.rglob("*.parquet")) == files
    assert home.ledger("select 1 from batches where state not in ('COMMITTED', 'WITHDRAWN')") == []
    home.lake.table(TABLE).transaction().remove_properties(name).commit_transaction()
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 2
    assert home.lake.count(TABLE) == 5


# Prevents a mark that nobody can read: the first run would make the table, and every one after it stop.
def test_marks_are_not_for_configuration(home):
    home.write_rows("in/a.json", numbered(3))
    configure(home, "sluice.ingestion.x", "{")
    refused = home.run("run", "events", code=2)
    assert "sluice.ingestion.x" in refused.text and "table_properties" in refused.text, refused
    assert not (home.folder / ".sluice").exists()


# Prevents a value that Java writes and reads from being refused, or taken for another.
def test_truths_are_read_in_any_case(home):
    home.write_rows("in/a.json", numbered(3))
    configure(home, "write.object-storage.enabled", "TRUE")
    home.run("run", "events")
    (task,) = home.lake.table(TABLE).scan().plan_files()
    assert len(task.file.file_path.split("/data/")[1].split("/")) == 6, task.file.file_path
