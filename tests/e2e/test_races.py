"""Several processes load the same files into one table at the same time, with strangers writing into it meanwhile."""

import json
import threading

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from sqlalchemy.exc import OperationalError

from program import numbered

TABLE = "bronze.events"
FILES = 300
ROWS_PER_FILE = 4
WORKERS = 4
ROUNDS = 10


class StrangerAppending(threading.Thread):
    """PyIceberg appends one row after the other until it is stopped, from when there is a table; counts what was acknowledged."""

    def __init__(self, lake):
        super().__init__()
        self.lake, self.stop, self.appended, self.error = lake, threading.Event(), 0, None

    def run(self):
        try:
            while not self.stop.is_set():
                try:
                    table = self.lake.table(TABLE)
                except (NoSuchTableError, OperationalError):  # the latter: its catalog has no tables yet
                    self.stop.wait(0.001)
                    continue
                row = {"id": -1 - self.appended, "name": "stranger"}
                try:
                    table.append(pa.Table.from_pylist([row], schema=pa.schema([("id", pa.int64()), ("name", pa.string())])))
                    self.appended += 1
                except CommitFailedException:
                    pass  # refused: the next turn tries again
        except Exception as error:  # reported by the test, which joins this thread
            self.error = error


def write_files(home):
    for number in range(FILES):
        home.write_rows(f"in/{number:03}.json", numbered(ROWS_PER_FILE, 1 + number * ROWS_PER_FILE))


def load_at_once(home, arguments, count=WORKERS):
    processes = [home.start(*arguments) for _ in range(count)]
    outcomes = [home.finish(process, arguments) for process in processes]
    for outcome in outcomes:
        assert outcome.code == 0, outcome
    return [outcome.json for outcome in outcomes]


def assert_once(home, strangers=0):
    ids = home.lake.table(TABLE).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    assert len(ids) == len(set(ids)), "some rows are there twice"
    assert set(ids) == set(range(1, 1 + FILES * ROWS_PER_FILE)) | set(range(-strangers, 0))
    assert home.states() == {"SUCCESS": FILES}


def assert_reports_add_up(runs):
    assert sum(run["metrics"]["files_processed"] for run in runs) == FILES, [run["metrics"] for run in runs]
    assert sum(run["metrics"]["records_written"] for run in runs) == FILES * ROWS_PER_FILE
    assert {run["status"] for run in runs} == {"COMPLETED"}


# Prevents files that two workers load, or none; reports that count a file twice; and rows of a stranger that our commits overwrite.
@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_four_processes_load_the_same_files(home, round_number):
    write_files(home)
    limit = (10_000, 20)[round_number % 2]
    home.write("sluice.yaml", json.dumps({"ingestions": {"events": {
        "source": {"paths": ["in/*.json"]}, "table": TABLE, "batch": {"files_max": limit}}}}))  # fmt: skip
    has_table = round_number >= ROUNDS // 2  # so that the stranger writes from the first moment
    if has_table:
        home.lake.warehouse.mkdir()
        (home.folder / ".sluice").mkdir()
        home.lake.pyiceberg.create_namespace("bronze")
        home.lake.pyiceberg.create_table(TABLE, schema=pa.schema([("id", pa.int64()), ("name", pa.string()), ("_source_file", pa.string())]))
    stranger = StrangerAppending(home.lake)
    stranger.start()
    try:
        runs = load_at_once(home, ["run", "events", "--json"])
    finally:
        stranger.stop.set()
        stranger.join()
    assert stranger.error is None, stranger.error
    assert stranger.appended > 0 or not has_table, "the stranger wrote nothing: the round proves little"
    assert_once(home, stranger.appended)
    assert_reports_add_up(runs)


# Prevents lost columns when two workers widen the same table in different ways at once.
def test_two_processes_evolve_the_table_at_once(home):
    home.write_rows("base/a.json", numbered(1))
    home.load("base", "--table", TABLE, "--name", "base")
    for name in ("left", "right"):
        home.write_rows(f"{name}/a.json", [{"id": {"left": 2, "right": 3}[name], f"only_{name}": name}])
    processes = [home.start("load", name, "--table", TABLE, "--name", name, "--json") for name in ("left", "right")]
    for process in processes:
        outcome = home.finish(process)
        assert outcome.code == 0, outcome
    rows = [
        {"id": 1, "only_left": None, "only_right": None}, {"id": 2, "only_left": "left", "only_right": None},
        {"id": 3, "only_left": None, "only_right": "right"},
    ]  # fmt: skip
    home.lake.assert_judges_agree(TABLE, rows, judges=("pyiceberg", "duckdb"))


# Prevents ingestions that share a table from taking each other's marks or files for their own.
def test_different_ingestions_share_a_table(home):
    names = ["north", "south", "east", "west"]
    for number, name in enumerate(names):
        for part in range(5):
            home.write_rows(f"{name}/{part}.json", numbered(10, 1 + 50 * number + 10 * part))
    processes = [home.start("load", name, "--table", TABLE, "--name", name, "--json") for name in names]
    assert [home.finish(process).code for process in processes] == [0] * 4
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == list(range(1, 201))
