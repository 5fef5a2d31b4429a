"""`sluice load` as a user types it: what is loaded, what is said, what happens the second time."""

import gzip
import io
import json
import os
import re
import signal
import zipfile

import pytest
import zstandard

from program import as_csv, numbered, numbered_json

TABLE = "bronze.events"
METRICS = {
    "files_processed", "files_failed", "files_skipped", "files_unchanged", "records_written", "rows_rescued", "rows_rejected", "bytes_processed",
}  # fmt: skip


def uri(home, name):
    return f"file://{home.folder}/{name}"


def with_source(home, name, rows):
    return [{**row, "_source_file": uri(home, name)} for row in rows]


# Prevents a load that the outside world cannot read, or whose rows cannot be traced to their file.
def test_first_load_is_read_by_all_judges(home):
    home.write_rows("in/a.json", numbered(5))
    home.write_rows("in/b.json", numbered(6, 6))
    home.write_rows("in/deep/er/c.json", numbered(4, 12))
    run = home.load("in", "--table", TABLE)
    assert run["status"] == "COMPLETED" and run["trigger"] == "cli" and run["error"] is None
    assert run["metrics"].keys() == METRICS
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"], run["files_processed"]) == (3, 15, 3)
    assert run["metrics"]["bytes_processed"] == sum(path.stat().st_size for path in home.folder.glob("in/**/*.json"))
    rows = with_source(home, "in/a.json", numbered(5)) + with_source(home, "in/b.json", numbered(6, 6))
    rows += with_source(home, "in/deep/er/c.json", numbered(4, 12))
    home.lake.assert_judges_agree(TABLE, rows, [("id", ">", 11), ("name", "==", "n7"), ("_source_file", "==", uri(home, "in/b.json"))])
    assert [snapshot.snapshot_id for snapshot in home.lake.table(TABLE).snapshots()] == [int(one) for one in run["snapshots"]]


# Prevents doubled rows and useless snapshots when nothing is new.
def test_second_load_does_nothing(home):
    home.write_rows("in/a.json", numbered(5))
    home.load("in", "--table", TABLE)
    before = home.lake.table(TABLE).metadata_location
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["files_processed"], run["metrics"]["files_unchanged"], run["metrics"]["records_written"]) == (0, 1, 0)
    assert home.lake.table(TABLE).metadata_location == before
    assert home.states() == {"SUCCESS": 1}


# Prevents the second run over the working folder from loading the first one's own data files and metadata.
def test_a_glob_over_the_warehouse_passes_it_over(home):
    home.write_rows("a.json", numbered(5))
    home.load(".", "--table", TABLE)
    home.write_rows("in/b.json", numbered(6, 6))
    again = home.run("load", ".", "--table", TABLE)
    assert "warehouse/ is passed over: tables have their own files there" in again.err, again
    assert home.lake.count(TABLE) == 11 and home.states() == {"SUCCESS": 2}


# Prevents "all files have been processed" while some of them are FAILED; retry and forget of a name that is none; a retry of one file that
# loads others.
def test_failed_files_are_said_and_retried_by_name(home):
    home.write_rows("in/good.json", numbered(5))
    for name in ("one", "two"):
        home.write(f"in/{name}.json", "{broken\n")
    for _ in range(3):
        home.run("load", "in", "--table", TABLE, code=None)
    idle = home.run("load", "in", "--table", TABLE)
    assert "No new data to ingest. 2 file(s) failed before" in idle.out and "All files" not in idle.out, idle
    for name in ("one", "two"):
        home.write_rows(f"in/{name}.json", numbered(1, {"one": 100, "two": 200}[name]))
    for command in ("retry", "forget"):
        assert "has no" in home.run(command, TABLE, "in/none.json", code=2).err
    assert "has no failed file of that name" in home.run("retry", TABLE, "in/good.json", code=2).err
    home.run("retry", TABLE, "in/one.json")
    assert home.lake.count(TABLE) == 6 and home.states() == {"SUCCESS": 2, "FAILED": 1}
    home.run("retry", TABLE)
    assert home.lake.count(TABLE) == 7


# Prevents a change to the lines that operators grep for.
def test_lines_that_operators_grep_for(home):
    for number in range(3):
        home.write_rows(f"in/{number}.json", numbered(2, 1 + 2 * number))
    assert "All files have been processed" not in home.run("load", "in", "--table", TABLE).out
    home.write_rows("in/new.json", numbered(15, 100))
    lines = home.run("load", "in", "--table", TABLE).out.splitlines()
    for wanted in (
        "Found 4 total file(s) across all sources", "Skipped 3 already-processed file(s)", "Processing 1 file(s)",
        f"Writing 15 rows to {TABLE}", "Marked 1 file(s) as processed",
    ):  # fmt: skip
        assert [line for line in lines if wanted in line], f"no line with {wanted!r} in {lines}"
    again = home.run("load", "in", "--table", TABLE)
    assert "All files have been processed. No new data to ingest." in again.out
    assert "\x1b" not in again.out and "\r" not in again.out
    assert home.lake.count(TABLE) == 21


# Prevents --quiet that talks, and -v that does not name the files.
def test_quiet_and_verbose(home):
    home.write_rows("in/a.json", numbered(1))
    assert home.run("load", "in", "--table", TABLE, "--quiet").text == ""
    home.write_rows("in/with space.json", numbered(1, 2))
    assert "with space.json" in home.run("load", "in", "--table", TABLE, "-v").text


# Prevents formats and compressions that work alone but not together in one table.
def test_csv_json_gz_and_zst_land_in_one_table(home):
    home.write_rows("in/a.json", numbered(3))
    home.write("in/b.csv", as_csv(numbered(3, 4)))
    home.write("in/c.json.gz", gzip.compress(json.dumps(numbered(1, 7)[0]).encode()))
    home.write("in/d.csv.zst", zstandard.compress(as_csv(numbered(2, 8)).encode()))
    home.write("in/e.ndjson.gz", gzip.compress(b'{"id": 10, "name": "n10"}\n') + gzip.compress(b'{"id": 11, "name": "n11"}\n'))
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["files_processed"] == 5
    home.lake.assert_judges_agree(TABLE, numbered(11), [("id", ">=", 7)], judges=("pyiceberg", "duckdb"))


SPELLINGS = {
    "array.json": "[" + ",\n ".join(json.dumps(row) for row in numbered(3)) + "]\n",
    "pretty.json": json.dumps(numbered(1, 4)[0], indent=2),
    "crlf.json": "".join(json.dumps(row) + "\r\n" for row in numbered(2, 5)),
    "bom_and_empty_lines.json": "\ufeff\n" + "\n\n".join(json.dumps(row) for row in numbered(2, 7)) + "\n\n",
    "no_newline_at_the_end.json": json.dumps(numbered(1, 9)[0]),
    "plain.csv": "\ufeffid,name\r\n10,n10\r\n11,n11\r\n",
    "quoted.csv": 'name,id\n"n12",12\n"n13","13"\n',
    "empty.json": "",
    "only_header.csv": "id,name\n",
}


# Prevents rows lost at the edges of a spelling: BOM, CRLF, empty lines, arrays, a last line without its end.
def test_spellings_of_json_and_csv(home):
    for name, text in SPELLINGS.items():
        home.write(f"in/{name}", text)
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["files_processed"], run["metrics"]["files_failed"]) == (len(SPELLINGS), 0)
    home.lake.assert_judges_agree(TABLE, numbered(13), judges=("pyiceberg",))


# Prevents a CSV reader that splits at every comma and newline.
def test_csv_quotes_newlines_and_nulls(home):
    home.write("in/a.csv", 'id,text,amount\n1,"a, ""b""\nand c",1.5\n2,,\n3,"",2\n4,"ümlaut 🙂",-1e3\n')
    home.load("in", "--table", TABLE)
    rows = [
        {"id": 1, "text": 'a, "b"\nand c', "amount": 1.5}, {"id": 2, "text": None, "amount": None},
        {"id": 3, "text": "", "amount": 2.0}, {"id": 4, "text": "ümlaut 🙂", "amount": -1000.0},
    ]  # fmt: skip
    home.lake.assert_judges_agree(TABLE, rows, [("amount", "<", 0.0), ("text", "null"), ("text", "==", "")])


# Prevents a new column, or a value that does not fit its column, from being dropped without a word.
def test_schema_evolves_and_misfits_are_rescued(home):
    home.write_rows("in/1.json", [{"id": 1, "size": 5}])
    home.load("in", "--table", TABLE)
    home.write_rows("in/2.json", [{"id": 2, "size": "large", "city": "Bern"}])
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["rows_rescued"] == 1 and any("city" in change for change in run["schema_changes"])
    rows = [{"id": 1, "size": 5, "city": None, "_rescued_data": None}, {"id": 2, "size": None, "city": "Bern", "_rescued_data": '{"size":"large"}'}]
    for judge in ("pyiceberg", "duckdb", "spark"):
        seen = {row["id"]: row for row in home.lake.read(judge, TABLE)}
        assert json.loads(seen[2].pop("_rescued_data")) == {"size": "large"}
        assert (seen[2]["size"], seen[2]["city"], seen[1]["_rescued_data"]) == (None, "Bern", None)
    assert rows[0]["size"] == seen[1]["size"]


# Prevents --dry-run from leaving anything behind.
def test_dry_run_changes_nothing(home):
    home.write_rows("in/a.json", numbered(3))
    home.write("sluice.yaml", "catalogs: {lake: {type: sql, uri: \"sqlite:lake/c.db\", warehouse: lake/wh}}\n")
    before = sorted(home.folder.rglob("*"))
    shown = home.run("load", "in", "--table", TABLE, "--dry-run").out
    assert "id" in shown and "long" in shown and "name" in shown and "string" in shown
    assert sorted(home.folder.rglob("*")) == before
    home.load("in", "--parquet", "out")  # now there is a ledger, and still no catalog
    before = sorted(home.folder.rglob("*"))
    home.run("load", "in", "--table", TABLE, "--dry-run")
    assert sorted(home.folder.rglob("*")) == before
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 1


# Prevents a dry run from announcing what the run does not do: files before start_from, those that wait since earlier runs, changes that
# are ignored, and the known files of an untracked load.
def test_dry_run_says_what_the_run_does(home):
    def dry(*options, folder="in"):
        told = home.load(folder, "--table", TABLE, "--dry-run", *options)
        return {key: told["files_" + key] for key in ("found", "unchanged", "new", "changed", "waiting", "skipped")} | {"bytes": told["bytes"]}

    def counts(**some):
        return {"found": 0, "unchanged": 0, "new": 0, "changed": 0, "waiting": 0, "skipped": 0, "bytes": 0} | some

    home.write("in/a.json", '{"id": 1}\n')
    assert dry("--start-from", "now") == counts(found=1, skipped=1)
    assert dry() == counts(found=1, new=1, bytes=10)
    home.write("in/b.json", '{"id": \n')
    home.run("load", "in", "--table", TABLE, code=3)
    assert dry() == counts(found=2, unchanged=1, waiting=1, bytes=8)
    assert dry("--no-tracking") == counts(found=2, new=2, bytes=18)
    home.write("in/a.json", '{"id": 1, "more": 2}\n')
    assert dry("--on-change", "ignore") == counts(found=2, waiting=1, skipped=1, bytes=8)
    assert dry() == counts(found=2, changed=1, waiting=1, bytes=29)


# Prevents globs that cross folders, miss hidden rules, or take files that are still being written.
def test_globs_and_ignored_names(home):
    for number, name in enumerate(("a.json", "b.csv", "deep/c.json", "deep/er/d.json", "_SUCCESS", ".hidden.json", "e.json.tmp", "x[1].json")):
        home.write("in/" + name, as_csv(numbered(1, number)) if name.endswith("csv") else json.dumps(numbered(1, number)[0]) + "\n")
    def found(*paths):
        table = f"t.n{len(list(home.folder.glob('warehouse/t/*')))}"
        home.load(*paths, "--table", table)
        return sorted(path.removeprefix(f"file://{home.folder}/in/") for path in home.lake.files_of_rows(table))

    assert found("in") == ["a.json", "b.csv", "deep/c.json", "deep/er/d.json", "x[1].json"]
    assert found("in/*.json") == ["a.json", "x[1].json"]
    assert found("in/**/*.json") == ["a.json", "deep/c.json", "deep/er/d.json", "x[1].json"]
    assert found("in/{a,b}.*") == ["a.json", "b.csv"]
    assert found("in/deep/?.json", "in/[ab].json") == ["a.json", "deep/c.json"]
    assert found(home.folder / "in/x[1].json") == ["x[1].json"]


# Prevents a changed file from being missed, and a touched one from being loaded twice.
def test_changed_and_touched_files(home):
    path = home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    os.utime(path, ns=(1, 1))
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["records_written"], home.lake.count(TABLE)) == (0, 2)
    home.write_rows("in/a.json", numbered(3, 3))
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 3
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [1, 2, 3, 4, 5]


# Prevents v1, v2, v1 again from loading v1 a second time.
def test_an_old_version_that_comes_back_is_known(home):
    path = home.write_rows("in/a.json", numbered(2))
    times = path.stat()
    home.load("in", "--table", TABLE)
    home.write_rows("in/a.json", numbered(3, 3))
    home.load("in", "--table", TABLE)
    home.write_rows("in/a.json", numbered(2))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["records_written"], home.lake.count(TABLE)) == (0, 5)
    path.touch()  # the content is that of the version that came back: the one loaded last was another
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["records_written"], run["metrics"]["files_unchanged"], home.lake.count(TABLE)) == (0, 1, 5)


# Prevents one bad file from keeping the others out, or from passing unnoticed (exit code 3, then 1 when nothing is left).
def test_exit_codes_and_retry(home):
    home.write_rows("in/good.json", numbered(3))
    bad = home.write("in/bad.json", '{"id": 4, "name": "n4"}\n{"id": 5, "na\n')
    run = home.load("in", "--table", TABLE, code=3)
    assert (run["status"], run["metrics"]["files_failed"], run["metrics"]["files_processed"]) == ("COMPLETED", 1, 1)
    assert home.lake.count(TABLE) == 3
    failed = home.ledger("select * from processed_files where status = 'FAILED'")
    assert [row["error_type"] for row in failed] == ["ParseError"] and failed[0]["file_path"] == uri(home, "in/bad.json")
    assert "bad.json" in failed[0]["error_message"] and "line 2" in failed[0]["error_message"]
    shown = home.run("files", TABLE, "--status", "failed", "--json").json
    assert [one["error_type"] for one in shown["files"]] == ["ParseError"]
    home.run("retry", TABLE, code=1)
    bad.write_text('{"id": 4, "name": "n4"}\n')
    home.run("retry", TABLE)
    assert home.states() == {"SUCCESS": 2} and home.lake.count(TABLE) == 4


# Prevents a file that will never work from being read in every run for ever.
def test_failed_files_wait_after_three_attempts(home):
    home.write_rows("in/good.json", numbered(1))
    home.write("in/bad.json", "{")
    for _ in range(3):
        assert home.load("in", "--table", TABLE, code=None)["metrics"]["files_failed"] == 1
    assert home.load("in", "--table", TABLE, code=None)["metrics"]["files_failed"] == 0
    assert home.ledger("select retry_count from processed_files where status = 'FAILED'")
    home.write_rows("in/bad.json", numbered(1, 2))
    home.load("in", "--table", TABLE)
    assert home.lake.count(TABLE) == 2


# Prevents bad rows from vanishing: with skip they are counted and kept in quarantine with their place.
def test_bad_rows_go_to_quarantine(home):
    home.write("in/a.json", '{"id": 1}\nthis is no row\n{"id": 2}\n')
    run = home.load("in", "--table", TABLE, "--on-bad-row", "skip")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rejected"]) == (2, 1)
    kept = [path for path in home.folder.glob("warehouse/**/*") if path.is_file() and b"this is no row" in path.read_bytes()]
    assert kept, "the bad row is nowhere below the warehouse"


# Prevents forget from forgetting too much, or from removing rows behind the user's back.
def test_forget_loads_again(home):
    home.write_rows("in/a.json", numbered(2))
    home.write_rows("in/b.json", numbered(2, 3))
    home.load("in", "--table", TABLE)
    home.run("forget", TABLE, home.folder / "in/a.json", "--yes")
    assert home.lake.count(TABLE) == 4
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 1
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [1, 1, 2, 2, 3, 4]


# Prevents a forget that scripts cannot read: another count than that of the files, or a question where nobody answers.
def test_forget_in_json(home):
    for name in ("a", "b", "c"):
        home.write_rows(f"in/{name}.json", numbered(2))
    home.load("in", "--table", TABLE)
    for arguments, said in ((["in/a.json"], "--yes"), (["in/a.json", "in/d.json", "--yes"], "in/d.json: bronze.events has no file"), (["--yes"], "--all")):
        assert said in home.run("forget", TABLE, *arguments, "--json", code=2).json["error"]["message"]
        assert home.states() == {"SUCCESS": 3}
    assert home.run("forget", TABLE, "in/a.json", home.folder / "in/b.json", "--yes", "--json").json == {"forgotten": 2, "warnings": []}
    assert [row["file_path"] for row in home.ledger("select file_path from processed_files")] == [uri(home, "in/c.json")]
    for count in (1, 0):
        assert home.run("forget", TABLE, "--all", "--yes", "--json").json == {"forgotten": count, "warnings": []}
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 6 and home.lake.count(TABLE) == 12


# Prevents --files-from from loading what is not in the list, and from forgetting what it loaded.
def test_files_from_loads_only_the_list(home):
    for number in range(4):
        home.write_rows(f"in/{number}.json", numbered(1, number))
    home.write("list.txt", f"{home.folder}/in/1.json\n{home.folder}/in/3.json\n")
    assert home.load("in", "--table", TABLE, "--files-from", "list.txt")["metrics"]["files_processed"] == 2
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [1, 3]
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 2
    assert home.lake.count(TABLE) == 4


# Prevents a list from loading files that it does not name: those that an earlier run left, or, where it names none, everything.
def test_a_list_loads_nothing_else(home):
    for number in range(3):
        home.write_rows(f"in/{number}.json", numbered(1, number))
    home.load("in", "--table", TABLE, "--run-files-max", "1")
    home.write_rows("in/extra.json", numbered(1, 7))
    home.write("list.txt", "in/extra.json\n")
    shown = home.run("load", "in", "--table", TABLE, "--files-from", "list.txt").out
    assert "1 file" in shown, shown
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [0, 7]
    home.write("none.txt", "\n")
    for arguments in (("in",), ()):
        for mode in ((), ("--dry-run",), ("--no-tracking",)):
            refused = home.run("load", *arguments, "--table", TABLE, "--files-from", "none.txt", *mode, code=2)
            assert "names no file" in refused.err
    assert home.load("in", "--table", TABLE, "--files-from", "none.txt", "--allow-empty")["files_found"] == 0
    assert home.lake.count(TABLE) == 2
    home.write("list.txt", "in/1.json\n")
    assert home.load("in", "--table", TABLE, "--files-from", "list.txt")["metrics"]["files_processed"] == 1
    assert home.load("in", "--table", TABLE)["metrics"]["files_processed"] == 1
    assert home.lake.count(TABLE) == 4


# Prevents members of a listed archive from being left behind, and members of another one from being loaded with it.
def test_a_list_takes_members_with_their_archive(home):
    for name, first in (("a.zip", 0), ("b.zip", 10)):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for number in range(3):
                archive.writestr(f"{number}.json", json.dumps({"id": first + number}) + "\n")
        home.write("in/" + name, packed.getvalue())
    home.load("in/b.zip", "--table", TABLE, "--name", "both", "--run-files-max", "1")  # opened; its members wait
    home.write("list.txt", "in/a.zip\n")
    home.load("in", "--table", TABLE, "--name", "both", "--files-from", "list.txt", "--batch-files-max", "2")
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [0, 1, 2]
    home.load("in", "--table", TABLE, "--name", "both")
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [0, 1, 2, 10, 11, 12]


# Prevents an untracked load from leaving file entries, or from stopping a tracked one later (rule N).
def test_untracked_loads_keep_no_files(home):
    home.write_rows("in/a.json", numbered(2))
    for _ in range(2):
        assert home.load("in", "--table", TABLE, "--no-tracking")["metrics"]["records_written"] == 2
    assert home.states() == {} and home.lake.count(TABLE) == 4
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 2
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 0
    assert home.lake.count(TABLE) == 6


# Prevents answers whose shape changes from command to command.
def test_json_shapes_of_the_other_commands(home):
    home.write_rows("in/a.json", numbered(2))
    run = home.load("in", "--table", TABLE)
    info = home.run("run-info", run["run_id"], "--json").json
    assert (info["run_id"], info["status"], info["metrics"]) == (run["run_id"], "COMPLETED", run["metrics"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", info["started_at"]) and info["duration_seconds"] >= 0
    runs = home.run("runs", TABLE, "--json").json
    assert runs["total"] == 1 and runs["runs"][0]["run_id"] == run["run_id"]
    files = home.run("files", TABLE, "--json").json
    assert files["total"] == 1 and files["files"][0]["file_path"] == uri(home, "in/a.json")
    status = json.dumps(home.run("status", TABLE, "--json").json)
    assert TABLE in status and run["run_id"] in status
    table = json.dumps(home.run("table", TABLE, "--json").json)
    assert str(home.lake.table(TABLE).metadata.current_snapshot_id) in table and "_source_file" in table
    for command in (["status"], ["files", TABLE], ["runs", TABLE], ["run-info", run["run_id"]], ["table", TABLE], ["check", TABLE]):
        assert home.run(*command).out.strip()


# Prevents a configuration file that behaves unlike the same thing typed by hand.
def test_sluice_yaml_and_run(home):
    home.write_rows("in/a.json", numbered(2))
    home.write("in/b.csv", "id;name\n3;n3\n")
    home.write("sluice.yaml", """
ingestions:
  events:
    sources:
      - {id: live, paths: ["in/*.json"]}
      - {id: tables, paths: ["in/*.csv"], format: csv, csv: {delimiter: ";"}}
    table: bronze.events
    partition_by: ["bucket(4, id)"]
  nothing_yet:
    source: {paths: ["missing/*.json"]}
    table: bronze.nothing
""")  # fmt: skip
    run = home.run("run", "events", "--json").json
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"]) == (2, 3)
    home.run("run", "--all")
    assert home.run("run", "nothing_yet", "--json").json["files_processed"] == 0
    home.lake.assert_judges_agree(TABLE, numbered(3), [("id", "==", 3)], judges=("pyiceberg", "duckdb"))
    assert [field.name for field in home.lake.table(TABLE).spec().fields] != []


# Prevents required columns of a contract that the table made by it does not require.
def test_a_required_column_has_values(home):
    home.write("contract.yaml", "columns:\n  - {name: id, type: int, required: true}\n  - {name: name, type: string}\n")
    home.write_rows("in/a.json", numbered(2))
    home.write_rows("in/b.json", [*numbered(1, 3), {"name": "x"}])
    home.load("in", "--table", TABLE, "--contract", "contract.yaml", code=3)
    (failed,) = home.ledger("select error_message from processed_files where status = 'FAILED'")
    assert 'required column "id" has no value' in failed["error_message"], failed
    assert home.lake.table(TABLE).schema().find_field("id").required
    home.lake.assert_judges_agree(TABLE, numbered(2), [("id", "==", 2)], judges=("pyiceberg", "duckdb"))


# Prevents a contract that is read but not enforced.
@pytest.mark.parametrize("strict", [False, True])
def test_contract_and_strict_mode(home, strict):
    home.write("contract.yaml", "columns:\n  - {name: id, type: int, required: true}\n  - {name: name, type: string}\n")
    home.write("in/a.csv", as_csv(numbered(2)))
    home.write("in/b.csv", "id,surname\n3,x\n")
    home.write("sluice.yaml", f"""
ingestions:
  events:
    source: {{paths: ["in/*.csv"]}}
    table: bronze.events
    schema: {{contract: contract.yaml, validate: true, strict_mode: {str(strict).lower()}}}
""")  # fmt: skip
    outcome = home.run("run", "events", "--json", code=None)
    if strict:
        assert outcome.code == 1 and outcome.json["status"] == "FAILED" and "b.csv" in outcome.json["error"]
        assert not list(home.folder.glob("warehouse/**/*.parquet"))
        return
    assert outcome.code == 0 and outcome.json["metrics"]["files_skipped"] == 1
    assert [row["error_type"] for row in home.ledger("select error_type from processed_files where status = 'SKIPPED'")] == ["SchemaMismatch"]
    home.lake.assert_judges_agree(TABLE, numbered(2), judges=("pyiceberg",))
    assert str(home.lake.table(TABLE).schema().find_field("id").field_type) == "int"


# Prevents an interrupt that loses work, doubles it, or hangs.
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_cleanly(home, which):
    for number in range(40):
        home.write(f"in/{number}.json", numbered_json(20_000, 1 + 20_000 * number))
    process = home.start("load", "in", "--table", TABLE, "--threads", "1", "--batch-files-max", "2")  # most batches come after the signal
    wait_for_rows(home, process)
    process.send_signal(which)
    outcome = home.finish(process, timeout=20)
    assert outcome.code == 130, outcome
    assert [row["status"] for row in home.ledger("select status from runs")] == ["CANCELLED"]
    assert home.states().get("SUCCESS", 0) < 40
    home.load("in", "--table", TABLE)
    ids = home.lake.table(TABLE).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    assert len(ids) == len(set(ids)) == 800_000


def wait_for_rows(home, process):
    """Returns once the program is at work on a batch: some data file has begun."""
    while process.poll() is None and not any(home.folder.glob("warehouse/bronze/events/data/**/*")):
        pass
