"""A damaged, lost or outdated ledger: recognised at once, nothing loaded, and a way back that loads nothing twice."""

import json
import os
import shutil
import zipfile

import pyarrow.parquet as pq
import pytest

from program import numbered

TABLE = "t.events"
GARBAGE = os.urandom(4096)


def ledger_file(home):
    return home.folder / ".sluice/ledger.db"


def load_some(home, files=3, rows=10):
    for number in range(files):
        home.write_rows(f"in/f{number}.json", numbered(rows, 1 + number * rows))
    return home.load("in", "--table", TABLE)


def overwrite_all(path):
    path.write_bytes(GARBAGE * (path.stat().st_size // len(GARBAGE) + 1))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def lose_a_page(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 8192 * 8192)
        file.write(GARBAGE)


# Prevents: a damaged ledger answered with an empty one (everything is loaded again), with wrong usage (a scheduler gives up), or with
# SQLite's words alone.
@pytest.mark.parametrize("damage", [overwrite_all, truncate, lose_a_page])
def test_a_damaged_ledger_stops_every_command(home, damage):
    load_some(home)
    damage(ledger_file(home))
    damaged = ledger_file(home).read_bytes()
    home.write_rows("in/new.json", numbered(5, 1000))
    for command in (["load", "in", "--table", TABLE], ["run", TABLE], ["status", TABLE], ["files", TABLE]):
        outcome = home.run(*command, code=1)
        assert "the ledger is damaged, so nothing is loaded with it" in outcome.err, outcome
        assert "sluice restore" in outcome.err and "sluice rebuild" in outcome.err, outcome
    assert home.lake.count(TABLE) == 30
    assert ledger_file(home).read_bytes() == damaged


# Prevents: a backup that cannot be put back, or one that lacks the run after which it was made.
def test_restore_puts_the_backup_back(home):
    load_some(home)
    overwrite_all(ledger_file(home))
    outcome = home.run("restore")
    assert "Restored" in outcome.out and list(home.folder.glob(".sluice/ledger.db.damaged-*")), outcome
    home.write_rows("in/new.json", numbered(5, 1000))
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 1
    assert home.lake.count(TABLE) == 35


# Prevents: what was loaded since the backup forgotten by a slip of the hand, where nothing is damaged.
def test_restore_asks_where_nothing_is_damaged(home):
    load_some(home)
    before = ledger_file(home).read_bytes()
    outcome = home.run("restore", code=2)
    assert "is not damaged" in outcome.err and "--yes" in outcome.err, outcome
    assert ledger_file(home).read_bytes() == before
    assert "Restored" in home.run("restore", "--yes").out


# Prevents: files loaded after the backup was made loaded twice once it is restored.
def test_an_older_backup_is_recognised_and_caught_up(home):
    load_some(home)
    home.write_rows("in/later.json", numbered(5, 1000))
    home.load("in", "--table", TABLE)  # within the interval: not in the backup
    overwrite_all(ledger_file(home))
    home.run("restore")
    stopped = home.run("load", "in", "--table", TABLE, code=1)
    assert "the ledger is older than the table" in stopped.err and "sluice rebuild t.events" in stopped.err, stopped
    assert home.run("rebuild", TABLE, "--json").json["files_loaded"] == 4
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 0
    assert home.lake.count(TABLE) == 35


# Prevents: committed transactions that were lost with a damaged log: their files would be loaded again. SQLite itself says nothing.
def test_a_damaged_log_is_noticed_by_the_mark(home):
    load_some(home)
    shutil.copy(ledger_file(home), home.folder / "before.db")
    home.write_rows("in/later.json", numbered(5, 1000))
    home.load("in", "--table", TABLE)
    # As after a power cut that took the log's pages: the file without them, and a log whose checksums do not fit.
    shutil.copy(home.folder / "before.db", ledger_file(home))
    ledger_file(home).with_name("ledger.db-wal").write_bytes(GARBAGE * 4)
    stopped = home.run("load", "in", "--table", TABLE, code=1)
    assert "the ledger is older than the table" in stopped.err, stopped
    assert home.lake.count(TABLE) == 35


def lose(home):
    for path in home.folder.glob(".sluice/ledger.db*"):
        if path.is_file():
            path.unlink()


# Prevents: a rebuild that loads something twice, leaves something new out, or cannot be used without the lost definition.
def test_a_lost_ledger_is_rebuilt_from_the_table(home):
    load_some(home, files=200, rows=3)
    home.write("in/big.csv", "id,name\n" + "".join(f"{number},x{number}\n" for number in range(100_000, 200_000)))
    home.load("in", "--table", TABLE)
    lose(home)
    home.write_rows("in/new.json", numbered(5, 5000))
    assert "sluice rebuild t.events" in home.run("load", "in", "--table", TABLE, code=1).err
    report = home.run("rebuild", TABLE, "--json").json
    assert report["files_loaded"] == 201 and report["files_to_load"] == 1, report
    assert {row["n"] for row in home.ledger("select sum(records_ingested) n from processed_files")} == {600 + 100_000}
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 1
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 0
    assert home.lake.count(TABLE) == 600 + 100_000 + 5


# Prevents: on_change forgotten with the ledger: a file that was changed meanwhile is loaded on top of its old rows.
@pytest.mark.parametrize("on_change", ["ignore", "fail"])
def test_a_rebuilt_ledger_asks_on_change(home, on_change):
    load_some(home)
    lose(home)
    home.write_rows("in/f1.json", numbered(2, 1000))
    home.run("load", "in", "--table", TABLE, "--on-change", on_change, code=1)  # registers it, and stops
    report = home.run("rebuild", TABLE, "--json").json
    load = ["load", "in", "--table", TABLE, "--on-change", on_change, "--json"]
    run = home.run(*load, code=None).json
    assert run["metrics"]["records_written"] == 0 and run["metrics"]["files_failed"] == (on_change == "fail"), (report, run)
    assert home.lake.count(TABLE) == 30
    rows = home.ledger("select records_ingested, status from processed_files order by file_path")
    assert rows == 3 * [{"records_ingested": 10, "status": "SUCCESS"}]
    assert home.run(*load).json["metrics"]["records_written"] == 0


# Prevents: a file that was only touched loaded once more, for a rebuilt ledger has no hash to compare it with; and one that did change
# taken for such a one.
def test_a_rebuilt_ledger_does_not_double_touched_files(home):
    load_some(home)
    lose(home)
    home.run("load", "in", "--table", TABLE, code=1)
    home.run("rebuild", TABLE)
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 0
    (home.folder / "in/f0.json").touch()
    home.write_rows("in/f1.json", numbered(2, 1000))
    run = home.load("in", "--table", TABLE, code=3)
    assert (run["metrics"]["records_written"], run["metrics"]["files_failed"]) == (2, 1)
    refused = home.ledger("select error_type, error_message from file_attempts")
    assert [row["error_type"] for row in refused] == ["Changed"] and "f0.json" in refused[0]["error_message"]
    assert home.load("in", "--table", TABLE)["metrics"]["files_failed"] == 0  # once is enough
    assert home.lake.count(TABLE) == 32
    home.run("forget", TABLE, str(home.folder / "in/f0.json"), "--yes")
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 10


# Prevents: members of an archive shown without rows after a rebuild: they are recorded when the archive is opened, and that is later.
def test_members_have_their_rows_after_a_rebuild(home):
    with zipfile.ZipFile(home.folder / "in.zip", "w") as archive:
        for number in range(2):
            archive.writestr(f"m{number}.json", "".join(json.dumps(row) + "\n" for row in numbered(4, 1 + 4 * number)))
    home.load("in.zip", "--table", TABLE)
    lose(home)
    home.run("load", "in.zip", "--table", TABLE, code=1)
    home.run("rebuild", TABLE)
    assert home.load("in.zip", "--table", TABLE)["metrics"]["records_written"] == 0
    rows = home.ledger("select records_ingested from processed_files where archive_path <> ''")
    assert rows == 2 * [{"records_ingested": 4}]
    assert home.lake.count(TABLE) == 8


# Prevents: rows of the old version shown for a file that was loaded again after the backup was made.
def test_a_changed_file_has_its_rows_after_a_rebuild_of_an_older_ledger(home):
    load_some(home)
    home.write_rows("in/f1.json", numbered(4, 1000))
    home.load("in", "--table", TABLE)  # within the interval: not in the backup
    overwrite_all(ledger_file(home))
    home.run("restore")
    home.run("rebuild", TABLE)
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 0
    rows = home.ledger("select records_ingested, loaded_version = file_etag as present from processed_files order by file_path")
    assert rows == [{"records_ingested": count, "present": 1} for count in (10, 4, 10)]


def compact(home):
    """As a compaction does: all rows in new data files, without our footers. By PyIceberg."""
    table = home.lake.table(TABLE)
    table.overwrite(table.scan().to_arrow())


# Prevents: a compaction by another program that leaves nothing to rebuild from.
def test_after_a_compaction_the_source_column_tells(home):
    load_some(home)
    compact(home)
    lose(home)
    home.write_rows("in/new.json", numbered(5, 1000))
    home.run("load", "in", "--table", TABLE, code=1)
    report = home.run("rebuild", TABLE, "--json").json
    assert report["data_files_without_footer"] == 1 and report["files_by_column"] == 3 and report["files_to_load"] == 1, report
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 1
    assert home.lake.count(TABLE) == 35


# Prevents: a file that was changed since, whose new rows are taken for loaded though nobody knows.
def test_what_cannot_be_attributed_stops_until_the_operator_decides(home):
    load_some(home)
    compact(home)
    lose(home)
    home.write_rows("in/f1.json", numbered(2, 1000))  # after the last run: is this in the table?
    home.run("load", "in", "--table", TABLE, code=1)
    stopped = home.run("rebuild", TABLE, code=1)
    assert "in/f1.json" in stopped.err and "in/f0.json" not in stopped.err and "--assume-loaded-until" in stopped.err, stopped
    assert home.run("load", "in", "--table", TABLE, code=1)  # nothing was recorded
    assert home.run("rebuild", TABLE, "--assume-loaded-until", "2999-01-01", "--json").json["files_to_load"] == 0
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 0
    assert home.lake.count(TABLE) == 30


# Prevents: a table without _source_file, compacted, whose files are silently loaded again.
def test_rows_without_a_trace_stop_as_well(home):
    home.write_rows("in/a.json", numbered(10))
    home.load("in", "--table", TABLE, "--metadata-columns", "")
    compact(home)
    lose(home)
    home.run("load", "in", "--table", TABLE, "--metadata-columns", "", code=1)
    assert "10 row(s) say neither" in home.run("rebuild", TABLE, code=1).err


# Prevents: a footer that only we can read, or one that says less than the ledger did.
def test_footers_say_what_each_data_file_was_made_from(home):
    load_some(home)
    found = {}
    for path in (home.folder / "warehouse").rglob("*.parquet"):
        value = json.loads(pq.read_metadata(path).metadata[b"sluice.origins"])
        assert value["name"] == TABLE and value["batch"] in str(path)
        for name, version, rows in value["files"]:
            found[name] = (version, rows)
    in_ledger = home.ledger("select file_path, file_etag, records_ingested from processed_files")
    assert found == {row["file_path"]: (row["file_etag"], row["records_ingested"]) for row in in_ledger}
