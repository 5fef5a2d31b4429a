"""Runs the real program in a folder of its own and keeps what it said."""

import json
import os
import sqlite3
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from judges import Lake

TIMEOUT_S = 120


@dataclass
class Outcome:
    """How one call of the program ended."""

    arguments: list
    code: int
    out: str
    err: str
    _parsed: object = field(default=None, repr=False)

    @property
    def json(self):
        """What --json printed: one JSON document on standard output."""
        if self._parsed is None:
            try:
                self._parsed = json.loads(self.out)
            except ValueError as error:
                raise AssertionError(f"not JSON ({error}): {self}") from None
        return self._parsed

    @property
    def text(self):
        return self.out + self.err

    def __str__(self):
        return f"sluice {' '.join(map(str, self.arguments))}\nexit code {self.code}\n--- out\n{self.out[-4000:]}\n--- err\n{self.err[-4000:]}"


class Home:
    """A working folder with `.sluice` and `warehouse` in it, as a user has who never configured anything."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = Path(folder)
        self.lake = Lake(self.folder / ".sluice/catalog.db", self.folder / "warehouse")
        self.extra_environment = {}
        self._running = []

    def environment(self, **more):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        return {**kept, **self.extra_environment, **more}

    def write(self, name, content):
        """Writes an input file below the folder and returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def write_rows(self, name, rows):
        return self.write(name, "".join(json.dumps(row, default=str) + "\n" for row in rows))

    def start(self, *arguments, before=(), **popen):
        """Starts the program and returns the process; `before` is a command prefix."""
        process = subprocess.Popen(
            [*before, self.program, *map(str, arguments)],
            cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen,
        )  # fmt: skip
        self._running.append(process)
        return process

    def finish(self, process, arguments=(), timeout=TIMEOUT_S):
        out, err = process.communicate(timeout=timeout)
        self._running.remove(process)
        return Outcome(list(arguments), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def run(self, *arguments, code=0, timeout=TIMEOUT_S, **start):
        """Runs the program to its end and checks its exit code (None: any)."""
        outcome = self.finish(self.start(*arguments, **start), arguments, timeout)
        assert code is None or outcome.code == code, f"expected exit code {code}: {outcome}"
        return outcome

    def load(self, *arguments, code=0, **start):
        """`sluice load ... --json`; returns the run as parsed JSON."""
        return self.run("load", *arguments, "--json", code=code, **start).json

    def ledger(self, query, *parameters):
        """Rows of the ledger, read the way people read it: with SQL."""
        connection = sqlite3.connect(f"file:{self.folder}/.sluice/ledger.db?mode=ro", uri=True, timeout=30)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, parameters)]
        finally:
            connection.close()

    def states(self):
        """{state: number of files} of the ledger."""
        return {row["status"]: row["n"] for row in self.ledger("select status, count(*) n from processed_files group by status")}

    def kill_all(self):
        for process in self._running:
            process.kill()
            process.wait()


def numbered(count, start=1, **more):
    """Rows that can be told apart: {"id": 1, "name": "n1"}, ..."""
    return [{"id": number, "name": f"n{number}", **more} for number in range(start, start + count)]


def numbered_json(count, start=1):
    """numbered(count, start), one row a line: of many rows, json.dumps costs more than what it tests."""
    return "".join(f'{{"id": {number}, "name": "n{number}"}}\n' for number in range(start, start + count))


def as_csv(rows):
    """The rows as CSV with a header; for values without commas and quotes."""
    lines = [",".join(rows[0])] + [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    return "".join(line + "\n" for line in lines)
