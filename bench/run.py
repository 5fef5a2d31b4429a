"""Measures `sluice load` beside DuckDB's COPY on the same files in the same run, interleaved; prints a table and writes JSON.

    bench/run.py [--only ndjson,csv,tiny,million] [--rounds 3] [--megabytes 500]

CPU seconds are user + system of the whole process, its start included; inputs are in the page cache; every round starts from an empty table
and its rows are counted afterwards. Ratios are medians: DuckDB / Sluice for time, memory and bytes, so above 1 Sluice needs less.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build/bench"
SLUICE = Path(os.environ.get("SLUICE_BINARY", ROOT / "build/release/sluice"))
TABLE = "bench.events"
BYTES_PER_ROW = {"ndjson": 113, "csv": 66}
FILES = 8
TINY_FILES, TINY_ROWS = 20_000, 20
KNOWN_FILES, KNOWN_FOLDERS = 1_000_000, 1_000
COLUMNS = "{'id': 'BIGINT', 'timestamp': 'TIMESTAMPTZ', 'user_id': 'VARCHAR', 'event_type': 'VARCHAR', 'value': 'DOUBLE'}"


@dataclass
class Measured:
    cpu_s: float
    wall_s: float
    memory_mb: float
    output_mb: float = 0.0


def measure(command, cwd):
    """Runs a command to its end and returns what it took."""
    began = time.monotonic()
    with open(cwd / "output.txt", "wb") as out, open(cwd / "errors.txt", "wb") as errors:
        process = subprocess.Popen(list(map(str, command)), cwd=cwd, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{(cwd / 'errors.txt').read_text()[-2000:]}")
    return Measured(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def size_mb(folder, pattern="**/*.parquet"):
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / 1e6


def duckdb(statement, cwd):
    """Runs a statement in a DuckDB process of its own."""
    code = "import sys, duckdb; c = duckdb.connect(); c.execute(\"set timezone = 'UTC'\"); c.execute(sys.argv[1])"
    return measure([sys.executable, "-c", code, statement], cwd)


def events(first, rows):
    """The events of the incremental-load specification, made up by DuckDB."""
    return (
        f"select i as id, strftime(timestamp '2026-01-01' + to_microseconds((i * 21000 + hash(i) % 9000)::bigint), '%Y-%m-%dT%H:%M:%S.%fZ') as timestamp, "
        f"'user_' || (hash(i * 7) % 200000) as user_id, (['click', 'view', 'purchase', 'login', 'logout'])[(1 + hash(i * 3) % 5)::bigint] as event_type, "
        f"round((hash(i * 11) % 1000000) / 997.0, 4) as value from range({first}, {first + rows}) r(i)"
    )


def make_events(kind, megabytes):
    """Eight files of the kind, kept between runs; returns folder and number of rows."""
    rows = megabytes * 1_000_000 // BYTES_PER_ROW[kind] // FILES
    folder = WORK / f"{kind}-{megabytes}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "in").mkdir(parents=True)
        for number in range(FILES):
            form = "(format json)" if kind == "ndjson" else "(format csv, header)"
            name = f"in/{number}.{'json' if kind == 'ndjson' else 'csv'}"
            duckdb(f"copy ({events(number * rows, rows)}) to '{folder / name}' {form}", folder)
        (folder / "done").touch()
    return folder / "in", rows * FILES


def make_tiny():
    folder = WORK / f"tiny-{TINY_FILES}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "in").mkdir(parents=True)
        duckdb(f"copy ({events(0, TINY_FILES * TINY_ROWS)}) to '{folder}/all.json' (format json)", folder)
        with open(folder / "all.json") as lines:
            for number in range(TINY_FILES):
                (folder / f"in/{number:05}.json").write_text("".join(next(lines) for _ in range(TINY_ROWS)))
        (folder / "done").touch()
    return folder / "in", TINY_FILES * TINY_ROWS


def fresh(name):
    folder = WORK / "out" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_sluice(source, rows):
    folder = fresh("sluice")
    measured = measure([SLUICE, "load", source, "--table", TABLE, "--json"], folder)
    run = json.loads((folder / "output.txt").read_text())
    if run["metrics"]["records_written"] != rows:
        sys.exit(f"sluice wrote {run['metrics']['records_written']} rows, not {rows}")
    measured.output_mb = size_mb(folder / "warehouse")
    return measured


def run_duckdb(source, kind, tuned):
    folder = fresh("duckdb")
    reader = f"read_json('{source}/*'" if kind != "csv" else f"read_csv('{source}/*'"
    if tuned:
        reader += f", columns={COLUMNS}" + (", format='newline_delimited'" if kind != "csv" else ", header=true")
    target = f"to '{folder}/out{'' if tuned else '.parquet'}' (format parquet, compression zstd{', per_thread_output true' if tuned else ''})"
    settings = "set preserve_insertion_order = false; " if tuned else ""
    measured = duckdb(f"{settings}copy (select * from {reader})) {target}", folder)
    measured.output_mb = size_mb(folder)
    return measured


def compare(kind, source, rows, rounds):
    """Interleaved rounds of all three; the first, which warms the page cache, is thrown away."""
    input_mb = size_mb(source, "*")
    results = {"sluice": [], "duckdb": [], "duckdb tuned": []}
    for number in range(rounds + 1):
        for name, one in (
            ("sluice", lambda: run_sluice(source, rows)),
            ("duckdb", lambda: run_duckdb(source, kind, False)),
            ("duckdb tuned", lambda: run_duckdb(source, kind, True)),
        ):
            measured = one()
            if number:
                results[name].append(measured)
    medians = {name: {key: statistics.median(getattr(one, key) for one in all_of) for key in asdict(all_of[0])} for name, all_of in results.items()}
    print(f"\n{kind}: {input_mb:.0f} MB, {rows:,} rows, median of {rounds}")
    print(f"{'':14}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'out MB':>8}{'MB/s a core':>13}   DuckDB/Sluice: CPU, wall, memory, bytes")
    for name, one in medians.items():
        ratios = "" if name == "sluice" else "   " + ", ".join(f"{one[key] / medians['sluice'][key]:.2f}" for key in one)
        print(f"{name:14}{one['cpu_s']:8.2f}{one['wall_s']:8.2f}{one['memory_mb']:9.0f}{one['output_mb']:8.1f}{input_mb / one['cpu_s']:13.0f}{ratios}")
    return {"input_mb": input_mb, "rows": rows, "rounds": {name: [asdict(one) for one in all_of] for name, all_of in results.items()}, "median": medians}


def nothing_new(rounds):
    """A run that finds a million known files beside listing them alone. They become known as the baseline of `start_from: now`."""
    folder = WORK / f"million-{KNOWN_FILES}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        for part in range(KNOWN_FOLDERS):
            (folder / f"in/{part:04}").mkdir(parents=True)
            for number in range(KNOWN_FILES // KNOWN_FOLDERS):
                os.close(os.open(folder / f"in/{part:04}/events-{number:06}.json", os.O_CREAT | os.O_WRONLY, 0o644))
        settings = {"source": {"paths": [str(folder / "in")]}, "table": TABLE, "start_from": "now"}
        (folder / "sluice.yaml").write_text(json.dumps({"ingestions": {"million": settings}}))
        first = measure([SLUICE, "run", "million", "--json"], folder)
        print(f"\nfirst sight of {KNOWN_FILES:,} files: {first.wall_s:.1f} s, {first.memory_mb:.0f} MB")
        (folder / "done").touch()
    listing = ["find", folder / "in", "-type", "f", "-printf", "%p %s %T@\\n"]
    pairs = [(measure(listing, folder), measure([SLUICE, "run", "million", "--json"], folder)) for _ in range(rounds + 1)][1:]
    alone, ours = (statistics.median(one.wall_s for one in side) for side in zip(*pairs))
    memory = max(one.memory_mb for _, one in pairs)
    unchanged = json.loads((folder / "output.txt").read_text())["metrics"]["files_unchanged"]
    print(f"\nnothing new over {unchanged:,} files: {ours:.2f} s, listing alone (find) {alone:.2f} s, ratio {ours / alone:.2f}, peak {memory:.0f} MB")
    return {"files": unchanged, "wall_s": ours, "listing_wall_s": alone, "ratio": ours / alone, "memory_mb": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="ndjson,csv,tiny,million", help="which of ndjson, csv, tiny, million")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the NDJSON and of the CSV input")
    chosen = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    result = {"machine": {"cores": os.cpu_count()}, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    for kind in chosen.only.split(","):
        if kind == "million":
            result[kind] = nothing_new(chosen.rounds)
        elif kind == "tiny":
            result[kind] = compare(kind, *make_tiny(), chosen.rounds)
        else:
            result[kind] = compare(kind, *make_events(kind, chosen.megabytes), chosen.rounds)
    (WORK / "result.json").write_text(json.dumps(result, indent=2))
    print(f"\nall rounds: {WORK / 'result.json'}")


if __name__ == "__main__":
    main()
