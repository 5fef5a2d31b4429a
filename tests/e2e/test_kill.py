"""SIGKILL at random moments, run again at once: every row exactly once, nothing left lying about."""

import os
import random
import time

from program import numbered

TABLE = "bronze.events"
KILLS = 200 if os.environ.get("SLUICE_TEST_LONG") == "1" else 30
FILES_PER_ROUND = 12
ROWS_PER_FILE = 1500


def ids_in_table(home):
    return home.lake.table(TABLE).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()


def live_data_files(home):
    return {path.removeprefix("file://") for path in home.lake.table(TABLE).inspect.files()["file_path"].to_pylist()}


def data_files_on_disk(home):
    return {str(path) for path in home.folder.glob("warehouse/bronze/events/data/**/*") if path.is_file()}


def named_metadata_files(home):
    table = home.lake.table(TABLE)
    return {path.removeprefix("file://") for path in [table.metadata_location, *(old.metadata_file for old in table.metadata.metadata_log)]}


def metadata_files_on_disk(home, since):
    """Without those older than `since`: they fell out of the table's log, and their owner keeps them."""
    files = home.folder.glob("warehouse/bronze/events/metadata/*.metadata.json")
    return {str(path) for path in files if path.name >= since}


# Prevents every kind of loss and doubling that a crash can cause between two system calls: the moment of death is random, the recovery
# is the next run, at once, without waiting for a lease. The seed is printed, so that a failure can be played again.
def test_sigkill_at_random_moments(home):
    seed = int(os.environ.get("SLUICE_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SLUICE_TEST_SEED={seed}")
    dice = random.Random(seed)
    expected, duration, killed = 0, 0.0, 0
    for attempt in range(KILLS):
        for number in range(FILES_PER_ROUND):
            home.write_rows(f"in/{attempt:03}-{number}.json", numbered(ROWS_PER_FILE, 1 + expected))
            expected += ROWS_PER_FILE
        if attempt == 0:
            began = time.monotonic()
            home.load("in", "--table", TABLE)
            duration = time.monotonic() - began
            continue
        process = home.start("load", "in", "--table", TABLE, "--json")
        try:
            process.wait(timeout=dice.uniform(0, duration * 1.2))
        except Exception:  # the moment has come
            process.kill()
            killed += 1
        home.finish(process)
        home.load("in", "--table", TABLE)
        ids = ids_in_table(home)
        assert len(ids) == len(set(ids)), f"rows doubled in attempt {attempt}, seed {seed}"
        assert len(ids) == expected and max(ids) == expected, f"rows lost in attempt {attempt}, seed {seed}"
        assert home.states() == {"SUCCESS": FILES_PER_ROUND * (attempt + 1)}
    assert killed >= KILLS // 4, "the program was hardly ever killed in time: the test proves nothing"
    home.load("in", "--table", TABLE)
    assert data_files_on_disk(home) == live_data_files(home), f"orphans are left, seed {seed}"
    named = named_metadata_files(home)
    since = min(os.path.basename(path) for path in named)[:5]  # the version, five digits
    assert metadata_files_on_disk(home, since) == named, f"metadata files that nobody names are left, seed {seed}"
    states = {row["state"] for row in home.ledger("select distinct state from batches")}
    assert states <= {"COMMITTED", "WITHDRAWN"}


# Prevents a worker that dies from stopping its colleagues: they take over its files and the run ends with everything loaded.
def test_a_colleague_takes_over(home):
    rows = 0
    for number in range(40):
        home.write_rows(f"in/{number}.json", numbered(5000, 1 + rows))
        rows += 5000
    first, second = (home.start("load", "in", "--table", TABLE, "--json") for _ in range(2))
    while first.poll() is None and not data_files_on_disk(home):
        pass
    first.kill()
    home.finish(first)
    outcome = home.finish(second)
    assert outcome.code == 0, outcome
    ids = ids_in_table(home)
    assert len(ids) == len(set(ids)) == rows
    assert home.states() == {"SUCCESS": 40}
