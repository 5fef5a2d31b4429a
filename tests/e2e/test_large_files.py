"""One large file, read by several threads at once: the same rows, places, hash and errors as by one; and never more memory than promised."""

import gzip
import os
import sys

import pyarrow
import pyarrow.parquet
import pytest

TABLE = "bronze.events"
ROWS = 750_000  # above 64 MiB in both formats: large enough to be split
PAD = "x" * 70
MEMORY_MAX = 512 * 1024 * 1024
HUGE_BYTES = 5_000_000_000 if os.environ.get("SLUICE_TEST_LONG") == "1" else 150_000_000  # after decompression
BLOCK_ROWS = 20_000


def as_json(number):
    return f'{{"id": {number}, "pad": "{PAD}"}}\n'


def as_csv_record(number):
    # Quotes, delimiters and line ends inside fields: a line end is not always a row's end.
    return f'{number},"{PAD}, ""{number}""\n"\n' if number % 10 == 0 else f"{number},{PAD}{PAD[:20]}\n"


def write_large(home, kind, rows=ROWS):
    render, head = (as_json, "") if kind == "json" else (as_csv_record, "id,pad\n")
    path = home.write(f"in/large.{kind}", head + "".join(map(render, range(1, rows + 1))))
    assert path.stat().st_size > 64 * 1024 * 1024
    return path


def ids_in_file_order(home):
    """The ids of the loaded file where the ledger says that its rows lie, one piece after the other."""
    pieces = home.ledger("select data_file, first_row, row_count from batch_files order by piece")
    columns = {uri: pyarrow.parquet.read_table(uri.removeprefix("file://"), columns=["id"])["id"] for uri in {piece["data_file"] for piece in pieces}}
    ids = []
    for piece in pieces:
        ids += columns[piece["data_file"]].slice(piece["first_row"], piece["row_count"]).to_pylist()
    return ids, len(columns)


# Prevents rows lost, doubled or moved where the parts of a large file meet, places that point at other rows, and a content hash that depends
# on how many threads read: a touched file would be loaded again.
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_large_file_is_read_by_several_threads(home, kind):
    path = write_large(home, kind)
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == ROWS
    assert run["metrics"]["bytes_processed"] == path.stat().st_size
    ids, data_files = ids_in_file_order(home)
    assert ids == list(range(1, ROWS + 1))
    assert data_files >= min(2, len(os.sched_getaffinity(0)))
    os.utime(path, ns=(1, 1))
    touched = home.load("in", "--table", TABLE, before=("taskset", "-c", str(min(os.sched_getaffinity(0)))))
    assert touched["metrics"]["files_unchanged"] == 1 and touched["metrics"]["records_written"] == 0


# Prevents half of a large file in the table because one part of it could be read, and a line number counted from the part's start.
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_broken_row_of_a_large_file_is_named_by_its_line(home, kind):
    path = write_large(home, kind)
    lines = path.read_bytes().count(b"\n")
    with path.open("ab") as file:
        file.write(b'{"id": 1\n' if kind == "json" else b"1,2,3\n")
    home.load("in", "--table", TABLE, code=1)
    (failed,) = home.ledger("select status, error_type, error_line, error_message, records_ingested from processed_files")
    assert (failed["status"], failed["error_type"], failed["error_line"]) == ("FAILED", "ParseError", lines + 1), failed
    assert f"line {lines + 1}: " in failed["error_message"]
    assert home.ledger("select * from batch_files") == []
    data_files = list((home.folder / "warehouse").rglob("*.parquet"))
    assert data_files == []


# A process starts with the memory peak of the one that it was forked from, so a small one stands in between.
MEASURE = """
import os, sys
process = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(process, 0)
open("peak", "w").write(str(usage.ru_maxrss * 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(home, *arguments, timeout=600):
    """The program's exit code and the most memory it held."""
    outcome = home.run("load", *arguments, "--table", TABLE, code=None, timeout=timeout, before=(sys.executable, "-c", MEASURE))
    return outcome.code, int((home.folder / "peak").read_text())


def write_huge(path, kind):
    """The same block of rows over and over, as one file, of one member or frame a block where it is compressed; returns the number of rows."""
    rows = [as_json(number) if "json" in kind else f"{number},{PAD}\n" for number in range(BLOCK_ROWS)]
    block = "".join(rows).encode()
    head, end = b"id,pad\n" if "csv" in kind else b"", b""
    if kind == "array.json":
        head, block, end = b"[", block.replace(b"\n", b","), b'{"id": 0}]'
    count = HUGE_BYTES // len(block) + 1
    pack = {"gz": gzip.compress, "zst": pyarrow.Codec("zstd").compress}.get(kind.rpartition(".")[2], bytes)
    block = pack(block)
    with path.open("wb") as file:
        file.write(pack(head))
        for _ in range(count):
            file.write(block)
        file.write(end)
    return count * BLOCK_ROWS + (kind == "array.json")


FAN_OUT = ["--partition-by", "bucket(1000, id)"]
HUGE = [(kind, []) for kind in ("json", "json.gz", "json.zst", "array.json", "csv", "csv.zst")] + [("json", FAN_OUT), ("csv.zst", FAN_OUT)]


# Prevents memory that grows with the size of a file, packed or not, or with the number of partitions, which have a file of their own open each.
@pytest.mark.parametrize(("kind", "partitions"), HUGE, ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_memory_is_bounded_whatever_the_size(home, kind, partitions):
    path = home.write(f"in/huge.{kind}", "")
    try:
        rows = write_huge(path, kind)
        code, peak = peak_memory(home, "in", *partitions)
    finally:
        path.unlink()
    print(f"{rows} rows: {peak / 1e6:.0f} MB")
    assert code == 0 and peak < MEMORY_MAX, f"{peak / 1e6:.0f} MB"
    assert home.ledger("select records_ingested from processed_files") == [{"records_ingested": rows}]


# Prevents one row at its limit, made of as many values as it may have, from taking all memory.
@pytest.mark.parametrize("value", ["0", '""', "[]", '{"a":1}'])
def test_memory_is_bounded_when_a_row_is_hostile(home, value):
    count = 60 * 1024 * 1024 // (len(value) + 1)
    home.write("in/hostile.json", b'{"id": 1, "list": [' + f"{value},".encode() * (count - 1) + f"{value}]}}\n".encode())
    home.write("in/good.json", '{"id": 2}\n')
    code, peak = peak_memory(home, "in")
    assert code in (0, 3) and peak < MEMORY_MAX, f"{peak / 1e6:.0f} MB"
    assert sum(home.states().values()) == 2 and home.states()["SUCCESS"] >= 1
