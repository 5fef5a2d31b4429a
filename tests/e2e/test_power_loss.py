"""Power that goes away before any sync of the program: what was not synced is gone, and still every row is there exactly once."""

import os
import random
import time

import pytest

from power_loss import PowerLoss
from program import Home, numbered

TABLE = "t.events"
STRIDE = 1 if os.environ.get("SLUICE_TEST_LONG") == "1" else 2


@pytest.fixture
def home_at(program, tmp_path):
    """Makes a working folder of that number."""

    def make(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        return Home(program, folder)

    return make


def load_twice(home, dies_at):
    """Makes the table, then adds a column and rows. The number of syncs; False: the power went away."""
    disk = PowerLoss(home)
    home.write_rows("in/a.json", numbered(3))
    home.write_rows("in/b.json", numbered(2, 4))
    first, syncs = disk.run("load", "in", "--table", TABLE, "--batch-files-max", "1", dies_at=dies_at)
    if first.code != 0:
        return syncs, False
    loaded = home.run("files", TABLE, "--status", "success", "--json").json  # not by SQLite's read-only mode: its log may have to be taken up
    assert loaded["total"] == 2, f"a load that ended well is lost, power lost before sync {dies_at}"
    home.write_rows("in/c.json", numbered(4, 6, city="Bern"))
    second, more = disk.run("load", "in", "--table", TABLE, dies_at=dies_at - syncs if dies_at > syncs else 0)
    return syncs + more, second.code == 0


# Prevents a file that a snapshot, the catalog or the ledger names before its bytes and its name are on the disk: after a loss of power the table
# would be broken, or the ledger would call loaded what is not there.
def test_nothing_counts_before_it_is_on_the_disk(home_at):
    syncs, survived = load_twice(home_at(0), 0)
    assert survived and syncs > 20, f"{syncs} syncs: what the program writes is not seen"
    seed = int(os.environ.get("SLUICE_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SLUICE_TEST_SEED={seed}")
    for dies_at in range(1 + random.Random(seed).randrange(STRIDE), syncs + 1, STRIDE):
        home = home_at(dies_at)
        load_twice(home, dies_at)
        home.write_rows("in/c.json", numbered(4, 6, city="Bern"))
        home.load("in", "--table", TABLE)
        assert sorted(row["id"] for row in home.lake.rows(TABLE)) == list(range(1, 10)), f"power lost before sync {dies_at}"
        assert home.states() == {"SUCCESS": 3}, f"power lost before sync {dies_at}"
