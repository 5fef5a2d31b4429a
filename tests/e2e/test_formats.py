"""Formats and compressions as people have them: the same rows come out, whoever wrote the file."""

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pytest
import zstandard

from program import numbered

TABLE = "bronze.rows"
ROWS = numbered(2000)
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def lz4(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKERS = {"gz": gzip.compress, "zst": zstandard.compress, "bz2": bz2.compress, "xz": lzma.compress, "lz4": lz4}


# Prevents a compression, or the second stream of a file, from being lost; and a suffix from deciding what only the content knows.
@pytest.mark.parametrize("suffix", PACKERS)
def test_compressions_in_several_streams(home, suffix):
    pack = PACKERS[suffix]
    middle = TEXT.index(b"\n", len(TEXT) // 2) - 7  # inside a row
    home.write(f"in/rows.json.{suffix}", pack(TEXT[:middle]) + pack(b"") + pack(TEXT[middle:]))
    home.write_rows("in/wrongly_named.json.gz", [{"id": -1, "name": "plain"}])
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == len(ROWS) + 1
    home.lake.assert_judges_agree(TABLE, [*ROWS, {"id": -1, "name": "plain"}], judges=("pyiceberg",))


# Prevents an empty file from being refused for its name: a file without a byte has no rows, also where its reader or unpacker would want a magic number.
def test_empty_files_have_no_rows(home):
    names = ["a.csv", "a.json", "a.txt", "a.sql", "a.parquet", "a.avro", "a.orc", "a.parquet.gz", "a.tar", "a.tar.gz", "a.tgz", "a.zip", "a.7z", "a"]
    for name in names:
        home.write(f"in/{name}", b"")
    home.write_rows("in/rows.json", ROWS[:3])
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"]) == (len(names) + 1, 3)
    home.load("in", "--format", "parquet", "--table", "bronze.said", code=1)


# Prevents half a download or a flipped bit from being loaded as a whole file.
@pytest.mark.parametrize("suffix", PACKERS)
def test_damaged_compressions_fail_alone(home, suffix):
    packed = PACKERS[suffix](TEXT)
    home.write(f"in/cut.json.{suffix}", packed[: len(packed) // 2])
    home.write(f"in/longer.json.{suffix}", packed + b"what is this?")
    home.write_rows("in/good.json", ROWS[:3])
    run = home.load("in", "--table", TABLE, code=3)
    assert (run["metrics"]["files_processed"], run["metrics"]["files_failed"]) == (1, 2)
    for failed in home.ledger("select file_path, error_type, error_message from processed_files where status = 'FAILED'"):
        assert failed["error_type"] == "ParseError" and " byte" in failed["error_message"], failed
        assert ("truncated" if "cut" in failed["file_path"] else "garbage") in failed["error_message"], failed
    home.lake.assert_judges_agree(TABLE, ROWS[:3], judges=("pyiceberg",))
