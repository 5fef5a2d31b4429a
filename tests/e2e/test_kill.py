"""SIGKILL at random moments, run again at once: every row exactly once, nothing left lying about."""

import os
import random
import signal
import sqlite3
import subprocess
import time

from program import numbered_json

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
    expected, attempt, duration, killed = 0, 0, 0.0, 0
    while killed < KILLS:
        assert attempt < 4 * KILLS, f"the program was killed in {killed} of {attempt} attempts: the test proves nothing"
        for number in range(FILES_PER_ROUND):
            home.write(f"in/{attempt:03}-{number}.json", numbered_json(ROWS_PER_FILE, 1 + expected))
            expected += ROWS_PER_FILE
        if attempt == 0:
            began = time.monotonic()
            home.load("in", "--table", TABLE)
            duration = time.monotonic() - began
            attempt = 1
            continue
        process = home.start("load", "in", "--table", TABLE, "--json")
        moment = dice.uniform(0, duration)
        try:
            process.wait(timeout=moment)
            duration = moment  # it was quicker than the runs before
        except subprocess.TimeoutExpired:
            process.kill()
        killed += home.finish(process).code == -signal.SIGKILL
        home.load("in", "--table", TABLE)
        ids = ids_in_table(home)
        assert len(ids) == len(set(ids)), f"rows doubled in attempt {attempt}, seed {seed}"
        assert len(ids) == expected and max(ids) == expected, f"rows lost in attempt {attempt}, seed {seed}"
        attempt += 1
        assert home.states() == {"SUCCESS": FILES_PER_ROUND * attempt}
    home.load("in", "--table", TABLE)
    assert data_files_on_disk(home) == live_data_files(home), f"orphans are left, seed {seed}"
    named = named_metadata_files(home)
    since = min(os.path.basename(path) for path in named)[:5]  # the version, five digits
    assert metadata_files_on_disk(home, since) == named, f"metadata files that nobody names are left, seed {seed}"
    states = {row["state"] for row in home.ledger("select distinct state from batches")}
    assert states <= {"COMMITTED", "WITHDRAWN"}


def holders_of_batches(home):
    """Workers that have a batch in hand."""
    try:
        return {row["holder"] for row in home.ledger("select distinct holder from batches where state in ('STAGING', 'PREPARED')")}
    except sqlite3.OperationalError:  # the ledger is just being made
        return set()


# Prevents a worker that dies from stopping its colleagues: they take over its files and the run ends with everything loaded. Batches are
# small, so that both have some, and one is killed while both have a batch in hand.
def test_a_colleague_takes_over(home):
    files, rows_per_file = 60, 20_000
    for number in range(files):
        first_id = 1 + number * rows_per_file
        home.write(f"in/{number}.json", "".join(f'{{"id": {id}}}\n' for id in range(first_id, first_id + rows_per_file)))
    first, second = (home.start("load", "in", "--table", TABLE, "--json", "--batch-files-max", "3", "--threads", "1") for _ in range(2))
    while len(holders_of_batches(home)) < 2:
        assert first.poll() is None and second.poll() is None, "one of them loaded everything"
    first.kill()
    assert home.finish(first).code == -signal.SIGKILL
    left = home.ledger("select id from batches where holder like ? escape '\\' and state not in ('COMMITTED', 'WITHDRAWN')", f"%\\_{first.pid}\\_%")
    outcome = home.finish(second)
    assert outcome.code == 0, outcome
    ids = ids_in_table(home)
    assert len(ids) == len(set(ids)) == files * rows_per_file
    assert home.states() == {"SUCCESS": files}
    assert outcome.json["metrics"]["files_processed"] > 0
    for batch in left:  # the second one may have been quicker to take it over than we were to look
        ended = home.ledger("select holder, state from batches where id = ?", batch["id"])[0]
        assert ended["state"] in ("COMMITTED", "WITHDRAWN") and f"_{first.pid}_" not in ended["holder"], ended
