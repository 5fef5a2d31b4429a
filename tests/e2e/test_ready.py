"""Which files are ready: `ready` of sluice.yaml and its flags, from what is said there to the rows of the table."""

import datetime
import json
import os
import time

import pytest

from program import numbered

TABLE = "bronze.events"
MINUTE, HOUR, DAY = 60, 3600, 86400


def ago(seconds):
    return time.time() - seconds


def write(home, name, changed_at, rows=1):
    os.utime(home.write_rows(f"in/{name}", numbered(rows)), (changed_at, changed_at))


def in_table(home):
    """{file below `in`: its rows in the table}."""
    return {path.removeprefix(f"file://{home.folder}/in/"): rows for path, rows in home.lake.files_of_rows(TABLE).items()}


@pytest.fixture(params=["flags", "sluice.yaml"])
def load(request, home):
    """Loads what is ready below `in`, by rules that are said one way or the other; what the table has then."""

    def by_flags(**ready):
        flags = [word for name, value in ready.items() for word in ("--" + name.replace("_", "-"), *([value] if isinstance(value, str) else value))]
        home.load("in", "--table", TABLE, "--allow-empty", *flags)
        return in_table(home)

    def by_file(**ready):
        home.write("sluice.yaml", json.dumps({"ingestions": {"events": {"source": {"paths": ["in"]}, "table": TABLE, "ready": ready}}}))
        home.run("run", "events")
        return in_table(home)

    return by_flags if request.param == "flags" else by_file


# Prevents files from being loaded while somebody writes to them, for the first time or again, and from being left out once they are old enough.
def test_min_age(home, load):
    for name, minutes in (("old.json", 95), ("young.json", 85), ("of_tomorrow.json", -24 * 60)):
        write(home, name, ago(minutes * MINUTE))
    assert load(min_age="1h30m") == {"old.json": 1}
    write(home, "old.json", ago(85 * MINUTE), rows=2)
    write(home, "young.json", ago(95 * MINUTE))
    assert load(min_age="1h30m") == {"old.json": 1, "young.json": 1}
    assert home.states() == {"SUCCESS": 2}
    write(home, "old.json", ago(95 * MINUTE), rows=2)
    for _ in range(2):
        assert load(min_age="1h30m") == {"old.json": 1 + 2, "young.json": 1}
    assert load(min_age="0s") == {"old.json": 1 + 2, "young.json": 1, "of_tomorrow.json": 1}


# Prevents folders from being loaded before their writer is done, a marker that counts for folders below or beside its own, and a marker that
# is loaded as data.
@pytest.mark.parametrize("marker", ["_SUCCESS", "done.json"])
def test_marker(home, load, marker):
    for name in ("full/1.json", "full/2.json", "full/below/3.json", "half/4.json", "5.json"):
        write(home, name, ago(0))
    write(home, f"full/{marker}", ago(0))
    assert load(marker=marker) == {"full/1.json": 1, "full/2.json": 1}
    write(home, f"half/{marker}", ago(0))
    write(home, "full/6.json", ago(0))
    expected = {"full/1.json": 1, "full/2.json": 1, "half/4.json": 1, "full/6.json": 1}
    for _ in range(2):
        assert load(marker=marker) == expected
    assert home.states() == {"SUCCESS": 4}
    (home.folder / "in/half" / marker).unlink()
    write(home, "half/7.json", ago(0))
    assert load(marker=marker) == expected


# Prevents a border that is off by a time zone, takes in the moment itself, or holds for files that changed since.
def test_modified_after(home, load):
    home.extra_environment["TZ"] = "America/New_York"
    border = datetime.datetime(2026, 1, 31, 3, 8, tzinfo=datetime.timezone.utc).timestamp()  # the day before, over there
    for name, later in (("before.json", -1), ("at.json", 0), ("after.json", 1)):
        write(home, name, border + later)
    assert load(modified_after="2026-01-31T03:08:00Z") == {"after.json": 1}
    assert home.states() == {"SUCCESS": 1}
    write(home, "before.json", border + MINUTE)
    for _ in range(2):
        assert load(modified_after="2026-01-31T03:08:00Z") == {"after.json": 1, "before.json": 1}
    assert load(modified_after="2026-02-01") == {"after.json": 1, "before.json": 1}
    assert load(modified_after="2026-01-31") == {"after.json": 1, "before.json": 1, "at.json": 1}


# Prevents files and folders from being loaded whose names are to be passed over, and the default names from being passed over as well.
def test_ignore(home, load):
    for name in ("1.json", "2.bak.json", "old/3.json", "new/4.json", "_5.json"):
        write(home, name, ago(0))
    assert load(ignore=["*.bak.json", "old/*"]) == {"1.json": 1, "new/4.json": 1, "_5.json": 1}


# Prevents one rule from replacing another, and rules that are forgotten by the next run of the ingestion.
def test_all_rules_hold_and_are_remembered(home):
    for folder in ("marked", "unmarked"):
        for name, age in (("ready.json", 2 * HOUR), ("young.json", 0), ("early.json", 2 * DAY)):
            write(home, f"{folder}/{name}", ago(age))
    write(home, "marked/_SUCCESS", ago(0))
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    home.load("in", "--table", TABLE, "--min-age", "1h", "--marker", "_SUCCESS", "--modified-after", since.isoformat().replace("+00:00", "Z"))
    assert in_table(home) == {"marked/ready.json": 1}
    home.run("run", TABLE)
    assert in_table(home) == {"marked/ready.json": 1}
    write(home, "unmarked/_SUCCESS", ago(0))
    write(home, "marked/young.json", ago(2 * HOUR))
    home.run("run", TABLE)
    assert in_table(home) == {"marked/ready.json": 1, "marked/young.json": 1, "unmarked/ready.json": 1}


# Prevents rules for listings from hiding files that somebody names: they are loaded as they are, and known to the listing then.
def test_a_list_asks_no_rules(home):
    rules = ("--min-age", "1h", "--marker", "_SUCCESS", "--modified-after", "2020-01-01")
    for name, age in (("young.json", 0), ("early.json", 9999 * DAY), ("other.json", 2 * HOUR)):
        write(home, name, ago(age))
    home.write("list.txt", "in/young.json\nin/early.json\n")
    assert home.load("--table", TABLE, "--files-from", "list.txt", *rules)["metrics"]["files_processed"] == 2
    write(home, "_SUCCESS", ago(0))
    assert home.load("in", "--table", TABLE, *rules)["metrics"]["files_processed"] == 1
    assert in_table(home) == {"young.json": 1, "early.json": 1, "other.json": 1}


# Prevents files that wait from passing for files that are not there: "all files have been processed" would be all that a run says.
def test_what_waits_is_said(home):
    write(home, "young.json", ago(0))
    said = home.run("load", "in", "--table", TABLE, "--min-age", "1h").out
    assert "1 file(s) are not ready (min_age, marker), and passed over by this run" in said, said
    assert home.load("in", "--table", TABLE, "--min-age", "1h")["files_not_ready"] == 1
    assert home.load("in", "--table", TABLE, "--min-age", "1h", "--no-tracking")["files_not_ready"] == 1
    assert home.load("in", "--table", TABLE, "--min-age", "1h", "--dry-run")["files_not_ready"] == 1
    assert home.load("in", "--table", TABLE, "--min-age", "0s")["files_not_ready"] == 0


# Prevents files that are all too early from being a slip of the hand: there are such files.
def test_nothing_after_the_border_is_no_wrong_usage(home):
    write(home, "early.json", ago(DAY))
    assert home.load("in", "--table", TABLE, "--modified-after", "2100-01-01")["files_found"] == 0
