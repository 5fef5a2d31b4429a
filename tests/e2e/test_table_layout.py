"""Table properties that say where a table's files lie and how large they are."""

import json
import os
import random

from pyiceberg.expressions import EqualTo

from program import numbered

TABLE = "t.events"


def configure(home, properties):
    ingestion = {"table": TABLE, "sources": [{"paths": ["in/*.json"]}], "table_properties": properties, "on_change": "append"}
    home.write("sluice.yaml", json.dumps({"ingestions": {"events": ingestion}}))


def names_in(folder, pattern):
    return {str(path) for path in folder.glob(pattern) if path.is_file()}


# Prevents files at the usual place of a table that keeps them elsewhere, readers that do not find them, and metadata files there
# that are never trimmed.
def test_data_and_metadata_elsewhere(home):
    data, metadata = home.folder / "disk1/data", home.folder / "disk2/meta data"
    configure(home, {
        "write.data.path": f"file://{data}", "write.metadata.path": f"file://{metadata}",
        "write.metadata.previous-versions-max": "3", "write.metadata.delete-after-commit.enabled": "true",
    })  # fmt: skip
    for number in range(8):
        home.write_rows(f"in/{number}.json", numbered(5, 1 + 5 * number))
        home.run("run", "events")
    home.write("in/broken.json", "{\n")
    home.run("run", "events", code=1)
    assert not names_in(home.folder / "warehouse", "**/*")
    table = home.lake.table(TABLE)
    assert names_in(data, "**/*") == {path.removeprefix("file://") for path in table.inspect.files()["file_path"].to_pylist()}
    named = {path.removeprefix("file://") for path in [table.metadata_location, *(old.metadata_file for old in table.metadata.metadata_log)]}
    assert names_in(metadata, "*.metadata.json") == named and len(named) == 4
    home.lake.assert_judges_agree(TABLE, numbered(40), [("id", ">", 38)], judges=("pyiceberg", "duckdb"))
    table.delete(EqualTo("id", 1))  # PyIceberg writes to the same places
    home.write_rows("in/last.json", numbered(1, 41))
    home.run("run", "events", code=3)  # broken.json is tried once more
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == list(range(2, 42))
    assert not names_in(home.folder / "warehouse", "**/*")


# Prevents a table of crumbs: small files of a batch share data files.
def test_small_files_share_data_files(home):
    for number in range(60):
        home.write_rows(f"in/{number:02}.json", numbered(3, 1 + 3 * number))
    home.load("in", "--table", TABLE)
    assert len(home.lake.table(TABLE).inspect.files()) <= 2 * len(os.sched_getaffinity(0))
    assert home.lake.count(TABLE) == 180


# Prevents one file however much a table's owner wants smaller ones, and a table of crumbs for it. A file ends with the block of rows that reaches the
# target, so it is above it by no more than a block.
def test_target_file_size(home):
    dice = random.Random(7)
    count, target, block = 400_000, 4 << 20, 8 << 20
    home.write("in/a.json", "".join(f'{{"id": {number}, "text": "{dice.randbytes(60).hex()}"}}\n' for number in range(count)))
    configure(home, {"write.target-file-size-bytes": str(target)})
    home.run("run", "events")
    sizes = home.lake.table(TABLE).inspect.files()["file_size_in_bytes"].to_pylist()
    assert len(sizes) >= 3 and max(sizes) < target + block, sizes
    assert sum(sizes) / len(sizes) > target / 2, sizes
    assert home.lake.count(TABLE) == count
