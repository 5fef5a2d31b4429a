"""Input that cannot be loaded: a clear error for that file, the other files load, nothing is lost."""

import gzip
import json
import os
import re
import shutil
import threading

import pytest
import zstandard

from program import numbered, numbered_json

TABLE = "bronze.events"
GOOD = numbered(3)
READ_AGAIN = "it is read again, by this run or the next"


def row(number):
    return json.dumps({"id": number, "name": f"n{number}"}) + "\n"


TRUNCATED_GZ = gzip.compress("".join(row(number) for number in range(5000)).encode())[:-2000]
BAD = {
    "truncated.json.gz": (TRUNCATED_GZ, "ParseError", ["truncated"]),
    "truncated.json.zst": (zstandard.compress(b"".join(os.urandom(9).hex().encode() for _ in range(9000)))[:-50], "ParseError", []),
    "not_gzip.json.gz": (b"\x1f\x8bthis is no gzip", "ParseError", []),
    "invalid_utf8.json": (b'{"id": 7, "name": "\xff\xfe"}\n', "ParseError", ["line 1", "UTF-8"]),
    "half_a_document.json": (row(7) + '{"id": 8, "name": {"deep": [1, 2', "ParseError", ["line 2"]),
    "garbage_after_a_value.json": ('{"id": 7, "name": "x"} trailing\n' + row(8), "ParseError", ["line 1"]),
    "wrong_literal.json": ('{"id": 7, "name": nulll}\n', "ParseError", ["line 1"]),
    "control_character.json": (b'{"id": 7, "name": "a\x01b"}\n', "ParseError", ["line 1"]),
    "no_object.json": ("17\n", "ParseError", ["line 1"]),
    "too_deep.json": ('{"id": 7, "name": ' + "[" * 5000 + "]" * 5000 + "}\n", None, ["line 1"]),
    "binary.json": (bytes(range(256)) * 8, "ParseError", []),
    "ragged.csv": ("id,name\n1,a\n2,b,too,many\n", "ParseError", ["line 3"]),
    "unclosed_quote.csv": ('id,name\n1,"never closed\n2,b\n', "ParseError", ["line 2"]),
}


# Prevents a broken file from being loaded in part, from keeping others out, from failing without a place, or with a way out that is none.
@pytest.mark.parametrize("name", BAD)
def test_broken_files(home, name):
    content, error_type, words = BAD[name]
    home.write_rows("in/good.json", GOOD)
    home.write(f"in/{name}", content)
    run = home.load("in", "--table", TABLE, code=3)
    assert (run["metrics"]["files_processed"], run["metrics"]["files_failed"]) == (1, 1)
    home.lake.assert_judges_agree(TABLE, GOOD, judges=("pyiceberg",))
    (failed,) = home.ledger("select file_path, error_type, error_message from processed_files where status = 'FAILED'")
    assert failed["file_path"].endswith(name) and name in failed["error_message"]
    assert failed["error_type"] == error_type or error_type is None
    for word in words:
        assert word in failed["error_message"], failed
    home.load("in", "--table", TABLE, "--on-bad-row", "skip", code=None)
    helps = home.states() == {"SUCCESS": 2}
    assert ("--on-bad-row=skip" in failed["error_message"]) == helps, (helps, failed)


# How a file begins whose last row does not end within a gigabyte, and the line in which that row begins.
ENDLESS = {"json": (row(7) + '{"id": 8, "name": "', 2), "csv": ("id,name\n7,n7\n8,", 3), "quoted.csv": ('id,name\n7,n7\n8,"', 3)}


# Prevents a line without end from eating the memory, from being unpacked to its end, from keeping other files out, or from failing without a
# place.
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_line_of_a_gigabyte(home, kind):
    begin, line = ENDLESS[kind]
    home.write_rows("in/good.json", GOOD)
    os.truncate(home.write(f"in/plain.{kind}", begin), 1 << 30)  # takes no space
    packed = gzip.compress(begin.encode()) + 64 * gzip.compress(b"x" * (16 << 20), 1)
    home.write(f"in/packed.{kind}.gz", packed + b"whoever comes here fails with another error")
    before = ["prlimit", f"--as={1 << 30}", "--"] if shutil.which("prlimit") else []
    run = home.load("in", "--table", TABLE, "--threads", 2, code=3, before=before)
    failures = {one["file_path"].split("/")[-1]: one for one in run["failures"]}
    assert failures.keys() == {f"plain.{kind}", f"packed.{kind}.gz"}, run
    for name, failed in failures.items():
        assert (failed["error_type"], failed["line"]) == ("TooLarge", line), failed
        assert f"{name}: line {line}: " in failed["error_message"] and "split it" in failed["error_message"], failed
    home.lake.assert_judges_agree(TABLE, GOOD, judges=("pyiceberg",))
    assert home.states() == {"SUCCESS": 1, "FAILED": 2}


# Prevents messages that say what is wrong with a file, and neither that it was left out nor what to do.
def test_messages_say_the_way_out(home):
    home.write_rows("in/good.json", GOOD)
    home.load("in", "--table", TABLE)
    home.write("in/deep.json", '{"id": ' + "[" * 100 + "]" * 100 + "}\n")
    home.write_rows("in/zip.json", [{"id": 9, "zip": "x"}])
    failures = home.load("in", "--table", TABLE, "--schema-mode", "fixed", code=1)["failures"]
    said = {one["error_type"]: one["error_message"] for one in failures}
    assert "deep.json: line 1: nested deeper than 64 levels" in said["TooLarge"] and "split it" in said["TooLarge"]
    assert 'zip.json: line 1: column "zip" is not in the schema' in said["SchemaMismatch"] and "--schema-mode" in said["SchemaMismatch"]
    assert all(message.count("the file was not loaded") == 1 for message in said.values()), said


# Prevents a folder, a socket or a broken link with a file's name from stopping the listing.
def test_things_that_are_no_files(home):
    home.write_rows("in/good.json", GOOD)
    home.write_rows("in/folder.json/inner.json", numbered(1, 10))
    os.symlink(home.folder / "nowhere", home.folder / "in/broken_link.json")
    os.mkfifo(home.folder / "in/pipe.json")
    run = home.load("in/*.json", "--table", TABLE, timeout=60)
    assert home.lake.count(TABLE) == 3 and home.states() == {"SUCCESS": 1}
    for name in ("broken_link.json", "pipe.json"):
        assert [text for text in run["warnings"] if name in text], run["warnings"]


# Prevents a file without read permission from stopping the others, and from staying unread once it is allowed.
def test_unreadable_file(home):
    home.write_rows("in/good.json", GOOD)
    secret = home.write_rows("in/secret.json", numbered(1, 10))
    secret.chmod(0)
    before = []
    if os.geteuid() == 0:
        for path in home.folder.parents:  # pytest's own folders are closed to the other user that the program must run as
            if path.owner() == "root" and "pytest" in path.name:
                path.chmod(path.stat().st_mode | 0o001)
        for path in (home.folder, home.folder / "in"):
            os.chown(path, 65534, 65534)
        before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        if not os.access(home.program, os.X_OK) or any(not path.stat().st_mode & 0o001 for path in home.program.parents):
            pytest.skip("the program is closed to other users")
    run = home.load("in", "--table", TABLE, code=3, before=before)
    assert (run["metrics"]["files_processed"], run["metrics"]["files_failed"]) == (1, 1)
    (failed,) = home.ledger("select error_type, error_message from processed_files where status = 'FAILED'")
    assert failed["error_type"] == "Unreadable" and "secret.json" in failed["error_message"]
    secret.chmod(0o644)
    assert home.load("in", "--table", TABLE, before=before)["metrics"]["files_processed"] == 1


NAMES = [
    "with space.json", "quote'.json", 'double".json', "100%.json", "%41.json", "hash#1.json", "question?.json", "new\nline.json", "tab\t.json", "ümlaut.json",
    "emoji 🙂.json", "back\\slash.json", "a+b&c=d.json", "semi;colon.json", "$HOME.json", "star*.json", "{brace}.json", "-dash.json", "e\u0301.json", "\u00e9.json",
]  # fmt: skip


# Prevents names from being decoded, escaped or split on their way from the folder to the ledger and the table.
def test_awkward_names(home):
    rows = []
    for number, name in enumerate(NAMES):
        home.write(f"in/{name}", row(number))
        rows.append({"id": number, "name": f"n{number}", "_source_file": f"file://{home.folder}/in/{name}"})
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == len(NAMES)
    home.lake.assert_judges_agree(TABLE, rows, [("_source_file", "==", rows[3]["_source_file"]), ("_source_file", "==", rows[1]["_source_file"])])
    assert {one["file_path"] for one in home.ledger("select file_path from processed_files")} == {one["_source_file"] for one in rows}
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 0


# Prevents a name that is no UTF-8 from breaking the ledger or the JSON output, and its file from being passed over without a word.
def test_a_name_that_is_no_utf8(home):
    home.write_rows("in/good.json", GOOD)
    with open(os.fsencode(home.folder) + b"/in/bad\xff.json", "wb") as file:
        file.write(row(9).encode())
    for _ in range(2):
        run = home.load("in", "--table", TABLE)
        assert any("bad\\xff.json" in warning for warning in run["warnings"])
    assert home.lake.count(TABLE) == 3
    assert [row["file_path"] for row in home.ledger("select * from processed_files where error_type = 'BadName'")] == [
        f"file://{home.folder}/in/bad\\xff.json"
    ]


# Prevents a full disk from leaving a half-made table, a wrong success, or a ledger that cannot go on.
def test_full_disk(home, small_disk):
    home.write_rows("in/good.json", [{"id": number, "name": os.urandom(64).hex()} for number in range(200_000)])
    outcome = home.run("load", "in", "--table", TABLE, "--warehouse", small_disk / "wh", code=1)
    assert "space" in outcome.text, outcome
    assert not list(small_disk.glob("wh/**/*.parquet")) or home.states().get("SUCCESS", 0) == 0
    os.system(f"mount -o remount,size=256m {small_disk}")
    home.run("load", "in", "--table", TABLE, "--warehouse", small_disk / "wh")
    assert home.states() == {"SUCCESS": 1}
    lake = type(home.lake)(home.lake.catalog_file, small_disk / "wh")
    assert lake.count(TABLE) == 200_000


# Prevents a ledger whose disk fills up, at whatever step of a run, from losing or doubling files, or from saying nothing of what to do.
def test_full_disk_of_the_ledger(home, small_disk):
    home.extra_environment["SLUICE_LEDGER"] = f"sqlite:{small_disk}/ledger.db"
    filler, were_in_the_table = small_disk / "filler", set()
    home.write_rows("in/0.json", numbered(1, 0))
    home.load("in", "--table", TABLE)
    for step in range(20):  # each run comes a bit further than the one before
        files, room = 101 + 100 * step, step * 240 * 1024
        for number in range(files - 100, files):
            home.write_rows(f"in/{number}.json", numbered(1, number))
        disk = os.statvfs(small_disk)
        filler.write_bytes(bytes(disk.f_bavail * disk.f_frsize - room))
        outcome = home.run("load", "in", "--table", TABLE, code=None)
        filler.unlink()
        if outcome.code == 0:
            break
        assert outcome.code == 1 and f"{small_disk}/ledger.db" in outcome.err, outcome
        said = "disk is full; make room on its disk and run again" if room > 0 else "is its disk full"
        assert said in outcome.err, outcome
        were_in_the_table.add(home.lake.count(TABLE) == files)
        home.load("in", "--table", TABLE)
        assert home.lake.count(TABLE) == files, f"after {outcome}"
    assert outcome.code == 0 and were_in_the_table == {False, True}
    assert home.load("in", "--table", TABLE)["metrics"]["files_unchanged"] == files
    home.lake.assert_judges_agree(TABLE, numbered(files, 0), judges=("pyiceberg",))


# Prevents a file that changes between listing and reading from failing, from being loaded as it was listed, or from waiting without a word.
def test_a_file_that_changes_before_it_is_read(home):
    home.write("in/first.json", numbered_json(500_000))
    home.write_rows("in/second.json", numbered(3, -100))
    process = home.start("load", "in", "--table", TABLE, "--threads", 1, "--batch-files-max", 1, "--json")
    while process.poll() is None and not any(home.folder.glob("warehouse/bronze/events/data/**/*")):
        pass  # until it is at work on the first file
    home.write_rows("in/second.json", numbered(5, -200))
    outcome = home.finish(process)
    (released,) = outcome.json["failures"]
    assert outcome.code == 0 and (released["outcome"], released["error_type"]) == ("RELEASED", "ChangedWhileRead"), outcome
    message = released["error_message"]
    assert message.startswith("second.json: ") and "it changed" in message and READ_AGAIN in message and message in outcome.json["warnings"], outcome
    assert home.states() == {"SUCCESS": 2} and home.lake.count(TABLE) == 500_005
    assert sorted(row["id"] for row in home.lake.rows(TABLE, ("id", "<", 0), ("id",))) == list(range(-200, -195))


# Prevents a file that shrinks or changes under the reader from being loaded as a mixture, from killing the process, or from being called
# anything but changed, or broken off where it was just then.
def test_files_that_change_while_read(home):
    for number in range(30):
        home.write_rows(f"in/steady{number}.json", numbered(2000, 2000 * number))
    path = home.folder / "in/changing.json"
    stop = threading.Event()

    def keep_changing():
        version = 0
        while not stop.is_set():
            version += 1
            whole = "".join(json.dumps({"id": -number, "name": f"v{version}"}) + "\n" for number in range(1, 3000 + version % 7 * 1000))
            half = whole[: len(whole) // 2].rstrip("}\n")  # never a whole row at its end: only the whole file may be loaded
            path.write_text(whole)
            os.truncate(path, len(half))

    writer = threading.Thread(target=keep_changing)
    writer.start()
    try:
        for _ in range(3):
            for failed in home.load("in", "--table", TABLE, code=None)["failures"]:
                said = {"ChangedWhileRead": f"{READ_AGAIN}|the file grew while it was read", "ParseError": "the text ends inside|not a JSON number"}
                assert re.search(f"^changing.json: .*({said[failed['error_type']]})", failed["error_message"]), failed
    finally:
        stop.set()
        writer.join()
    path.write_text(row(-1))
    home.run("load", "in", "--table", TABLE)
    rows = home.lake.rows(TABLE)
    steady = [one["id"] for one in rows if one["id"] >= 0]
    assert len(steady) == len(set(steady)) == 60_000
    loaded = {}
    for one in rows:
        if one["id"] < 0:
            loaded.setdefault(one["name"], []).append(-one["id"])
    for version, ids in loaded.items():
        assert sorted(ids) == list(range(1, len(ids) + 1)), f"a mixture of versions under {version}"
    assert "n-1" in loaded
