"""What a run says, and where: streams, --quiet, --json, the terminal; and how it ends on a signal."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
from pathlib import Path

from program import TIMEOUT_S, numbered, numbered_json
from server_process import wait_until

TABLE = "bronze.events"
BAR = re.compile(r"(\d+)/(\d+) files")


def good_and_broken(home):
    home.write_rows("in/good.json", numbered(1))
    home.write("in/broken.json", "{\n")


# Prevents --quiet that keeps quiet about files that failed: a scheduler's mail would be empty.
def test_quiet_says_errors_only(home):
    good_and_broken(home)
    outcome = home.run("load", "in", "--table", TABLE, "--quiet", code=3)
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("failed: broken.json: line 1"), outcome
    assert lines[1] == f"1 file(s) failed; `sluice files {TABLE} --status failed` shows why"


# Prevents warnings and errors that stand beside the document that holds them: with --json standard error stays empty.
def test_json_holds_warnings_and_errors(home):
    good_and_broken(home)
    (home.folder / "elsewhere").mkdir()
    (home.folder / "in/link").symlink_to(home.folder / "elsewhere")
    outcome = home.run("load", "in", "--table", TABLE, "--json", code=3)
    assert outcome.err == ""
    assert [one["error_type"] for one in outcome.json["failures"]] == ["ParseError"]
    assert [text for text in outcome.json["warnings"] if "in/link" in text], outcome


# Prevents `check` from failing an ingestion that loads: what a listing passes over is a warning for both.
def test_check_fails_where_a_load_does(home):
    home.write_rows("in/a.json", numbered(1))
    (home.folder / "elsewhere").mkdir()
    (home.folder / "in/link").symlink_to(home.folder / "elsewhere")
    warning = home.load("in", "--table", TABLE)["warnings"][0]
    checks = home.run("check", TABLE, "--json").json["checks"]
    assert all(one["ok"] for one in checks)
    assert [one for one in checks if warning in one["message"] and "lists 1 file(s); warning: " in one["message"]], checks


# Prevents several documents of `run --all --json`, which no JSON parser takes as one; the exit code is the worst of all runs.
def test_run_all_is_one_document(home):
    home.write_rows("good/a.json", numbered(2))
    home.write("mixed/b.json", "{\n")
    home.write("bad/a.json", "{\n")
    definitions = {"a_good": "good", "b_mixed": "mixed", "c_bad": "bad"}

    def define(names):
        home.write("sluice.yaml", "ingestions:\n" + "".join(
            f"  {name}: {{source: {{paths: [{definitions[name]}]}}, table: t.{name}, on_change: append}}\n" for name in names))

    for names, code, states in (
        (["a_good"], 0, ["COMPLETED"]), (["a_good", "b_mixed"], 3, ["COMPLETED"] * 2), (["a_good", "b_mixed", "c_bad"], 1, ["COMPLETED"] * 2 + ["FAILED"])
    ):  # fmt: skip
        define(names)
        home.write_rows(f"mixed/{len(names)}.json", numbered(1, 10 * len(names)))
        answer = home.run("run", "--all", "--json", code=code)
        assert [run["status"] for run in answer.json["runs"]] == states and answer.json["total"] == len(states)
        assert answer.json["errors"] == [] and answer.err == ""
    home.run("run", "--all", code=1)
    home.write("sluice.yaml", "ingestions:\n  z: {source: {paths: [good]}, table: t.z, schema: {contract: none.yaml}}\n"
               "  y: {source: {paths: [good]}, table: t.y}\n")  # fmt: skip
    answer = home.run("run", "--all", "--json", code=1).json
    assert [error["ingestion"] for error in answer["errors"]] == ["z"] and "none.yaml" in answer["errors"][0]["error"]["message"]
    assert home.lake.count("t.y") == 2, "one that cannot be run does not keep the others from it"


# Prevents profiles that are accepted and not used.
def test_env_picks_a_profile(home):
    for name in ("dev", "prod"):
        home.write_rows(f"{name}/a.json", numbered({"dev": 1, "prod": 2}[name]))
    home.write("sluice.yaml", """
ingestions:
  events: {source: {paths: [dev]}, table: bronze.events}
profiles:
  prod:
    ingestions:
      events: {source: {paths: [prod]}}
""")  # fmt: skip
    assert home.run("run", "events", "--json", "--env", "prod").json["metrics"]["records_written"] == 2
    assert "nowhere" in home.run("run", "events", "--env", "nowhere", code=2).err


# Prevents a contract's wrong files from being miscounted, and messages that grow with their number.
def test_strict_mode_counts_all_files(home):
    home.write("contract.yaml", "columns: [{name: id, type: long}]\n")
    for number in range(25):
        home.write(f"in/{number:02}.csv", "wrong\n1\n")
    error = home.load("in", "--table", TABLE, "--contract", "contract.yaml", "--strict", code=1)["error"]
    assert error.startswith("25 file(s) do not have the columns") and error.endswith("; and 5 more"), error
    assert error.count(".csv: ") == 20


# Prevents a status without the table's snapshot, also after a load of which nothing went into the table.
def test_status_names_the_snapshot(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    home.write("in/broken.json", "{\n")
    home.load("in", "--table", TABLE, code=1)
    snapshot = home.lake.table(TABLE).current_snapshot().snapshot_id
    assert home.run("status", TABLE, "--json").json["snapshot_id"] == snapshot
    assert f"snapshot: {snapshot}\n" in home.run("status", TABLE).out


# Prevents rows that are there twice, by a default that nobody chose, without a word.
def test_a_change_that_nobody_decided_about_is_said(home):
    home.write_rows("in/a.json", numbered(2))
    assert home.load("in", "--table", TABLE)["warnings"] == []
    home.write_rows("in/a.json", numbered(3))
    assert "--on-change" in home.load("in", "--table", TABLE)["warnings"][0]
    home.write_rows("in/a.json", numbered(4))
    assert home.load("in", "--table", TABLE, "--on-change", "append")["warnings"] == []


def locks(home):
    return set((home.folder / ".sluice/ledger.db.workers").glob("*"))


def is_in_hand(home, name, dead):
    """Whether a worker that is not one of the dead has noted in its lock file that it reads the file."""
    with contextlib.suppress(FileNotFoundError):  # a worker that ends removes its own
        return any(name.encode() in lock.read_bytes() for lock in locks(home) - dead)
    return False


# Prevents a file that kills the program from being given up in silence: whoever looks at exit codes sees three deaths, then success.
def test_a_file_that_kills_its_workers_is_told(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    home.write("in/poison.json", numbered_json(3_000_000))
    for _ in range(3):
        dead = locks(home)
        process = home.start("load", "in", "--table", TABLE, "--threads", "1")
        wait_until(lambda: is_in_hand(home, "poison.json", dead), "the file in the worker's hand")
        process.kill()
        home.finish(process)
    outcome = home.run("load", "in", "--table", TABLE, code=3)
    assert "poison.json: 3 workers died while reading it" in outcome.err and "1 file(s) failed" in outcome.err, outcome
    assert home.ledger("select error_type from processed_files where status = 'FAILED'") == [{"error_type": "WorkerDied"}]
    home.run("retry", TABLE)
    assert home.lake.count(TABLE) == 3_000_002


class Terminal:
    """The program with a terminal as standard error and, where asked for, standard output and input."""

    def __init__(self, home, *arguments, out=None, asks=False, **more):
        self.controller, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [home.program, *arguments], cwd=home.folder, env=home.environment(**more), stdin=terminal if asks else subprocess.DEVNULL,
            stdout=terminal if out is None else out, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)
        self.said = ""

    def read(self):
        """More of what it says; False once it has ended."""
        assert select.select([self.controller], [], [], TIMEOUT_S)[0], self.said
        try:
            more = os.read(self.controller, 65536)
        except OSError:  # the other side is closed
            more = b""
        self.said += more.decode(errors="replace")
        return bool(more)

    def finish(self):
        while self.read():
            pass
        os.close(self.controller)
        return self.process.wait(timeout=TIMEOUT_S)


FILES = 24
ROWS_PER_FILE = 100_000


def many_files(home):
    """One batch that takes the bar several steps."""
    rows = numbered_json(ROWS_PER_FILE, 0)
    for number in range(FILES):
        home.write(f"in/{number:02}.json", rows)


# Prevents a bar whose count of files stays at 0 until the batch is published.
def test_the_bar_counts_files_while_they_are_read(home):
    many_files(home)
    terminal = Terminal(home, "load", "in", "--table", TABLE, "--threads", "1")
    assert terminal.finish() == 0, terminal.said
    before_publish = terminal.said[: terminal.said.index("Writing")]
    counts = [(int(done), int(total)) for done, total in BAR.findall(before_publish)]
    assert counts == sorted(counts) and {total for _, total in counts} == {FILES}, counts
    assert len({done for done, _ in counts if 0 < done <= FILES}) >= 2, counts
    assert "\x1b[32m" in terminal.said, "the summary is coloured"
    # What is read, how fast, and how long it will take; at the end it is all of it.
    rows = [int(count) for count in re.findall(r"files +(\d+) rows +[\d.]+ [KMG]?i?B/s +ETA [\d:.]+", before_publish)]
    assert rows == sorted(rows) and rows[-1] > 0 and len(rows) == len(counts), rows
    share = [int(percent) for percent in re.findall(r"\[#*\.*\] +(\d+)%", before_publish)]
    assert share == sorted(share) and len(share) == len(counts) and 0 < share[-1] <= 100, share


# Prevents control sequences in files: each stream is coloured only where it is a terminal itself.
def test_colours_and_bar_go_to_terminals_only(home):
    good_and_broken(home)
    piped = home.run("load", "in", "--table", TABLE, code=3)
    assert "\x1b" not in piped.text and "\r" not in piped.text
    with open(home.folder / "out.txt", "w") as out:
        terminal = Terminal(home, "load", "in", "--table", TABLE, out=out)
        terminal.finish()
    assert "\x1b[31mfailed: " in terminal.said and "\x1b" not in (home.folder / "out.txt").read_text()
    with open(home.folder / "out.txt", "w") as out:
        subprocess.run([home.program, "load", "in", "--table", TABLE, "--no-tracking"], cwd=home.folder, env=home.environment(), stdout=subprocess.DEVNULL, stderr=out)
    assert "\x1b" not in (home.folder / "out.txt").read_text()
    plain = Terminal(home, "load", "in", "--table", TABLE, "--no-tracking", NO_COLOR="1")
    plain.finish()
    assert "\x1b[3" not in plain.said


def awaits_signals(process):
    """Whether the program takes signals by waiting for them. Before it is executed, Python blocks all of them for a moment; what this
    process was started with stays blocked."""
    status = (Path("/proc") / str(process.pid) / "status").read_text()
    blocked = int(re.search(r"SigBlk:\s*(\w+)", status).group(1), 16)
    inherited = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return blocked == sum(1 << (which - 1) for which in inherited | {signal.SIGINT, signal.SIGTERM})


# Prevents a second signal from waiting for what keeps the first one from ending the program: here a list that never ends.
def test_a_second_signal_ends_at_once(home):
    home.write_rows("in/a.json", numbered(1))
    os.mkfifo(home.folder / "endless")
    process = home.start("load", "in", "--table", TABLE, "--files-from", "endless")
    while not awaits_signals(process):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert home.finish(process, timeout=TIMEOUT_S).code == 130
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 1


# Prevents a list that is being typed from holding the program fast: one signal ends it.
def test_an_interrupted_list(home):
    home.write_rows("in/a.json", numbered(1))
    process = subprocess.Popen([home.program, "load", "in", "--table", TABLE, "--files-from", "-"], cwd=home.folder, env=home.environment(), stdin=subprocess.PIPE)
    while not awaits_signals(process):
        assert process.poll() is None
    process.stdin.write(b"in/a.json\nin/half")
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=TIMEOUT_S) == 130
    process.stdin.close()
    assert not (home.folder / "warehouse").exists()
    run = subprocess.run(
        [home.program, "load", "in", "--table", TABLE, "--files-from", "-", "--json"], cwd=home.folder, env=home.environment(), input=b"in/a.json", capture_output=True)  # fmt: skip
    assert json.loads(run.stdout)["metrics"]["records_written"] == 1, run


# Prevents a question that only an answer ends.
def test_an_interrupted_question(home):
    home.write_rows("in/a.json", numbered(1))
    home.load("in", "--table", TABLE)
    terminal = Terminal(home, "forget", TABLE, "--all", asks=True)
    while "[y/N]" not in terminal.said and terminal.read():
        pass
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == 130, terminal.said
    assert home.states() == {"SUCCESS": 1}
    answered = Terminal(home, "forget", TABLE, "--all", asks=True)
    os.write(answered.controller, b"y\n")
    assert answered.finish() == 0, answered.said
    assert home.states() != {"SUCCESS": 1}


# Prevents an interrupted run from passing for a finished one.
def test_interrupts_end_with_130(home):
    many_files(home)
    terminal = Terminal(home, "load", "in", "--table", TABLE, "--threads", "1")
    while not BAR.search(terminal.said) and terminal.read():
        pass
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == 130, terminal.said
    assert home.ledger("select status from runs") == [{"status": "CANCELLED"}]
    home.load("in", "--table", TABLE)
    assert home.lake.count(TABLE) == FILES * ROWS_PER_FILE
