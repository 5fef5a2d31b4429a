"""Archives: each member is a file of its own, with its own state, error and row count."""

import gzip
import io
import json
import random
import struct
import sys
import tarfile
import zipfile
import zlib
from functools import cache

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from archives import KINDS, archive_of, seven_zip_of, tar_of, zip_of
from program import as_csv, numbered, numbered_json

TABLE = "bronze.rows"
MEMORY_MAX = 300e6


def as_json(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def ids(home):
    return sorted(home.lake.table(TABLE).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist())


def sources_of(home):
    return {path.rsplit("/in/", 1)[1] for path in home.lake.table(TABLE).scan(selected_fields=("_source_file",)).to_arrow()["_source_file"].to_pylist()}


def records(home, columns="status, records_ingested, error_type"):
    """{name behind in/: record}"""
    rows = home.ledger(f"select file_path, {columns} from processed_files")
    return {row.pop("file_path").rsplit("/in/", 1)[1]: row for row in rows}


# Prevents a kind of archive, or a format within one, from giving other rows than the same files outside.
@pytest.mark.parametrize("kind", KINDS)
def test_members_are_the_files_themselves(home, kind, tmp_path):
    rows = numbered(30)
    members = {
        "a.json": as_json(rows[:10]),
        "dir one/ü🙂'.csv": as_csv(rows[10:15]).encode(),
        "dir one/deep/p.parquet": as_parquet(rows[15:20]),
        "dir one/g.csv.gz": gzip.compress(as_csv(rows[20:30]).encode()),
        "empty.csv": b"",
    }
    home.write(f"in/all.{kind}", archive_of(kind, members, tmp_path / "packing"))
    home.write("in/without_a_name", archive_of(kind, {"b.json": as_json(numbered(5, 31))}, tmp_path / "packing2"))
    run = home.load("in", "--table", TABLE)
    assert run["files_found"] == 2 and run["metrics"]["records_written"] == 35, run
    home.lake.assert_judges_agree(TABLE, numbered(35), judges=("pyiceberg",))
    known = records(home, "status, records_ingested, file_format, archive_path")
    assert known[f"all.{kind}"]["file_format"] == known["without_a_name"]["file_format"] == kind
    assert {name: known[f"all.{kind}!/{name}"]["records_ingested"] for name in members} == dict(zip(members, (10, 5, 5, 10, 0)))
    assert set(home.states()) == {"SUCCESS"} and len(known) == 8
    assert known[f"all.{kind}!/a.json"]["archive_path"].endswith(f"/in/all.{kind}")
    assert f"all.{kind}!/dir one/ü🙂'.csv" in sources_of(home)

    again = home.load("in", "--table", TABLE)
    assert again["metrics"]["files_processed"] == 0 and ids(home) == list(range(1, 36))


# Prevents one rotten member from taking the others with it, and a retry from doing more than that one member.
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_rotten_member_fails_alone_and_is_repaired(home, kind, tmp_path):
    good = {"a.json": as_json(numbered(5)), "c.json": as_json(numbered(5, 6))}
    home.write(f"in/x.{kind}", archive_of(kind, {**good, "b.json": b'{"id": 1\n{"id": }\n'}, tmp_path / "1"))
    home.load("in", "--table", TABLE, code=3)
    known = records(home)
    assert known[f"x.{kind}!/b.json"] == {"status": "FAILED", "records_ingested": 0, "error_type": "ParseError"}, known
    assert ids(home) == list(range(1, 11))
    home.run("retry", TABLE, f"in/x.{kind}!/b.json", code=None)
    assert records(home)[f"x.{kind}!/b.json"]["status"] == "FAILED"

    home.write(f"in/x.{kind}", archive_of(kind, {**good, "b.json": as_json(numbered(5, 11))}, tmp_path / "2"))
    run = home.run("retry", TABLE, f"in/x.{kind}!/b.json", "--json").json
    assert run["metrics"]["records_written"] == 5 and ids(home) == list(range(1, 16))
    assert home.states() == {"SUCCESS": 4}


# Prevents a re-uploaded archive from loading again what did not change, and from forgetting what it no longer holds.
@pytest.mark.parametrize("kind", ["zip", "tar", "7z"])
def test_only_changed_members_of_a_new_upload_load(home, kind, tmp_path):
    home.write(f"in/x.{kind}", archive_of(kind, {"same.json": as_json(numbered(3)), "gone.json": as_json(numbered(3, 4)), "other.json": as_json(numbered(3, 7))}, tmp_path / "1"))
    home.load("in", "--table", TABLE)
    home.write(f"in/x.{kind}", archive_of(kind, {"other.json": as_json(numbered(3, 17)), "new.json": as_json(numbered(2, 10)), "same.json": as_json(numbered(3))}, tmp_path / "2"))
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 5, run
    assert ids(home) == [*range(1, 12), 17, 18, 19]
    assert set(home.states()) == {"SUCCESS"} and len(records(home)) == 5


# Prevents two members of one name from being taken for one.
def test_a_name_that_comes_twice(home):
    with pytest.warns(UserWarning):
        content = zip_of([("x.json", as_json(numbered(2))), ("x.json", as_json(numbered(3, 3)))])
    home.write("in/twice.zip", content)
    home.load("in", "--table", TABLE)
    known = records(home)
    assert known["twice.zip!/x.json"]["records_ingested"] == 2 and known["twice.zip!/x.json#2"]["records_ingested"] == 3


# Prevents archives from reaching out: names that lead elsewhere, links and devices are recorded with their reason, and nothing is written.
def test_members_that_are_no_files(home):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        def add(name, kind=tarfile.REGTYPE, link=""):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            content = as_json(numbered(1)) if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        add("good.json")
        add("../../evil.json")
        add("/etc/evil.json")
        add("link.json", tarfile.SYMTYPE, "/etc/passwd")
        add("hard.json", tarfile.LNKTYPE, "good.json")
        add("pipe.json", tarfile.FIFOTYPE)
        add("device.json", tarfile.CHRTYPE)
        add("__MACOSX/._good.json")
        add("_ignored/x.json")
    home.write("in/x.tar", out.getvalue())
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 1
    known = {name: (row["status"], row["error_type"]) for name, row in records(home).items()}
    assert known == {
        "x.tar": ("SUCCESS", ""), "x.tar!/good.json": ("SUCCESS", ""),
        "x.tar!/../../evil.json": ("SKIPPED", "BadName"), "x.tar!//etc/evil.json": ("SKIPPED", "BadName"),
        "x.tar!/link.json": ("SKIPPED", "NotAFile"), "x.tar!/hard.json": ("SKIPPED", "NotAFile"),
        "x.tar!/pipe.json": ("SKIPPED", "NotAFile"), "x.tar!/device.json": ("SKIPPED", "NotAFile"),
    }  # fmt: skip
    assert not list(home.folder.rglob("evil.json"))


# Prevents half an archive from being taken for a whole one: nothing of it loads, it fails with its reason, and is loaded once it is whole.
@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_archive_fails_as_a_whole(home, kind, tmp_path):
    whole = archive_of(kind, {f"{n}.json": as_json(numbered(300, 1 + 300 * n)) for n in range(20)}, tmp_path / "p")
    home.write(f"in/x.{kind}", whole[: len(whole) * 2 // 3])
    home.write_rows("in/good.json", numbered(3, 9001))
    home.load("in", "--table", TABLE, code=3)
    known = records(home, "status, error_type, error_message")
    assert known[f"x.{kind}"]["status"] == "FAILED" and known[f"x.{kind}"]["error_type"] == "BadArchive", known
    assert f"x.{kind}: " in known[f"x.{kind}"]["error_message"] and len(known) == 2
    home.write(f"in/x.{kind}", whole)
    home.load("in", "--table", TABLE)
    assert len(ids(home)) == 6003 and home.states() == {"SUCCESS": 22}


# Prevents a member's flipped bits, which only its checksum shows, from being loaded.
def test_a_wrong_checksum_fails_its_member(home):
    content = zip_of({"a.json": as_json(numbered(2)), "b.json": as_json(numbered(2, 3))}, zipfile.ZIP_STORED)
    home.write("in/x.zip", content.replace(b'"name": "n2"', b'"name": "n9"'))
    home.load("in", "--table", TABLE, code=3)
    known = records(home)
    assert known["x.zip!/a.json"]["error_type"] == "BadArchive" and known["x.zip!/b.json"]["status"] == "SUCCESS"


def plain_parquet(table, path):
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=False)


def plain_orc(table, path):
    orc.write_table(table, path, compression="uncompressed")


# Prevents a flipped bit in what is read here and there, in place, from passing: the checksum is held against all of it, not only where a
# reader happens to begin at the beginning.
@pytest.mark.parametrize("write", [plain_parquet, plain_orc])
def test_a_flipped_bit_in_a_stored_columnar_member(home, write, tmp_path):
    write(pa.table({"id": pa.array(range(200_000)), "value": pa.array([n + 0.5 for n in range(200_000)])}), tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    packed = zip_of({"x": whole, "good.json": as_json(numbered(2))}, zipfile.ZIP_STORED)
    broken = bytearray(packed)
    broken[packed.index(struct.pack("<d", 77_777.5))] ^= 1
    assert len(whole) > 1024 * 1024
    home.write("in/x.zip", bytes(broken))
    home.load("in", "--table", TABLE, code=3)
    known = records(home)
    assert known["x.zip!/good.json"]["status"] == "SUCCESS"
    assert known["x.zip!/x"] == {"status": "FAILED", "records_ingested": 0, "error_type": "BadArchive"}
    home.write("in/x.zip", packed)
    home.load("in", "--table", TABLE)
    assert records(home)["x.zip!/x"]["records_ingested"] == 200_000


# Prevents a plain tar that was cut off between two members, or within one that nobody wants, from passing for a whole one.
def test_a_tar_without_its_end(home):
    tar = tar_of({"a.json": as_json(numbered(2)), "big.bin": bytes(5_000_000), "z.json": as_json(numbered(2, 3))}, tarfile.USTAR_FORMAT)
    behind_big = 1024 + 512 + -(-5_000_000 // 512) * 512
    wanted = ("--members", "*.json")
    for cut in (1024, 3_000_000, behind_big, behind_big + 1024):
        home.write("in/x.tar", tar[:cut])
        home.load("in", "--table", TABLE, *wanted, code=1)
        known = records(home, "status, error_type, error_message")
        assert known.keys() == {"x.tar"} and known["x.tar"]["error_type"] == "BadArchive", (cut, known)
    assert "truncate -s +1024 FILE" in known["x.tar"]["error_message"]
    home.write("in/x.tar", tar[: behind_big + 1024] + bytes(1024))
    home.load("in", "--table", TABLE, *wanted)
    assert ids(home) == [1, 2, 3, 4]


# Prevents a bomb from being unpacked: the directory says how large it would be, and a directory that lies is caught while reading.
def test_bombs(home):
    home.write("in/bomb.zip", zip_of({f"{n}.csv": bytes(400 * 1024 * 1024) for n in range(3)}))
    lying = bytearray(zip_of({"a.json": as_json(numbered(2)) + b" " * 100_000}))
    at = lying.index(b"PK\x01\x02")
    lying[at + 24 : at + 28] = (50).to_bytes(4, "little")
    home.write("in/lying.zip", bytes(lying))
    home.load("in", "--table", TABLE, code=None)
    known = records(home, "status, error_type, error_message")
    assert known["bomb.zip"]["error_type"] == "TooLarge" and "bomb" in known["bomb.zip"]["error_message"]
    assert known["lying.zip!/a.json"]["error_type"] == "BadArchive"
    assert "FAILED" in home.states() and len(known) == 3


# Prevents encrypted members and unknown methods from being taken for broken ones, or from failing their neighbours.
def test_encrypted_and_unknown_members_fail_alone(home):
    content = bytearray(zip_of([("a.json", as_json(numbered(2))), ("locked.json", as_json(numbered(2))), ("odd.json", as_json(numbered(2)))]))
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    third = content.index(b"PK\x01\x02", second + 4)
    content[second + 8] |= 1
    content[third + 10 : third + 12] = (9).to_bytes(2, "little")
    home.write("in/x.zip", bytes(content))
    home.load("in", "--table", TABLE, code=3)
    known = records(home)
    assert known["x.zip!/a.json"]["status"] == "SUCCESS"
    assert known["x.zip!/locked.json"] == {"status": "FAILED", "records_ingested": 0, "error_type": "Encrypted"}
    assert known["x.zip!/odd.json"] == {"status": "FAILED", "records_ingested": 0, "error_type": "Unreadable"}


# Prevents an archive in an archive from being opened unasked, or from staying closed when asked.
def test_nested_archives_by_option(home):
    inner = zip_of({"b.json": as_json(numbered(2, 3))})
    home.write("in/x.tar", tar_of({"a.json": as_json(numbered(2)), "inner.zip": inner, "inner.tar": tar_of({"c.json": as_json(numbered(2, 5))})}))
    home.load("in", "--table", TABLE)
    known = records(home)
    assert known["x.tar!/inner.zip"] == {"status": "SKIPPED", "records_ingested": 0, "error_type": "NestedArchive"}
    home.run("forget", TABLE, "in/x.tar!/inner.zip", "in/x.tar!/inner.tar", "--yes")
    home.load("in", "--table", TABLE, "--nested-archives")
    assert ids(home) == [1, 2, 3, 4, 5, 6] and set(home.states()) == {"SUCCESS"}
    assert records(home)["x.tar!/inner.zip!/b.json"]["records_ingested"] == 2


# Prevents an archive that another one gives from front to back only from being unreadable for what nobody wants of it, which was jumped over.
@pytest.mark.parametrize("outer", KINDS)
def test_a_nested_tar_is_read_past_what_is_not_wanted(home, outer, tmp_path):
    inner = tar_of({"a.json": as_json(numbered(2)), "large.bin": bytes(10 << 20), "z.json": as_json(numbered(2, 3))})
    home.write("in/x", archive_of(outer, {"inner.tar": inner, "b.json": as_json(numbered(2, 5))}, tmp_path / "packing"))
    home.load("in", "--table", TABLE, "--nested-archives", "--members", "*.json", "--members", "*.tar")
    assert ids(home) == [1, 2, 3, 4, 5, 6] and set(home.states()) == {"SUCCESS"}


def zip_of_damaged(name, good, damaged, method):
    """As if bytes had changed since they were packed: the zip has the checksum of `good`."""
    content = zip_of({name: damaged}, method)
    wrong, right = (struct.pack("<I", zlib.crc32(one)) for one in (damaged, good))
    assert content.count(wrong) == 2
    return content.replace(wrong, right)


# Where the bit is in which archive: in the last of such bytes, or in its middle (None).
FLIPPED = [("tar", b'"n1"'), ("tar", None), ("tar", bytes(4)), ("zip", b"small.json"), ("zip", None), ("tar.gz", None), ("7z", None)]


# Prevents rows of an archive in a zip from being loaded although its bytes are not those that were packed. A tar has no checksum of what it
# holds, a zip none of its directory, and what nobody wants is not read for itself: the checksum that the zip has of all of it must be asked.
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inner, place", FLIPPED)
def test_a_flipped_bit_in_an_archive_in_a_zip(home, inner, place, method, tmp_path):
    members = {"large.bin": random.Random(1).randbytes(3 << 20), "small.json": as_json(numbered(2))}
    good = zip_of(members, zipfile.ZIP_STORED) if inner == "zip" else archive_of(inner, members, tmp_path / "packing")
    good += bytes(-len(good) % (128 << 10)) if inner == "tar" else b""
    damaged = bytearray(good)
    damaged[good.rindex(place) if place else len(good) // 2] ^= 1
    home.write("in/x.zip", zip_of_damaged("inner", good, bytes(damaged), method))
    home.write("in/fine.json", as_json(numbered(2, 7)))
    home.load("in", "--table", TABLE, "--nested-archives", "--members", "*.json", "--members", "inner", code=3)
    assert ids(home) == [7, 8]
    assert records(home)["x.zip!/inner"] == {"status": "FAILED", "records_ingested": 0, "error_type": "BadArchive"}
    assert set(records(home)) == {"fine.json", "x.zip", "x.zip!/inner"}


# Prevents members that nobody asked for from being loaded, and an option from being lost on its way.
def test_only_members_that_match(home):
    home.write("in/x.zip", zip_of({"a.csv": as_csv(numbered(2)).encode(), "readme.txt": b"hello", "dir/b.csv": as_csv(numbered(2, 3)).encode()}))
    home.load("in", "--table", TABLE, "--members", "*.csv")
    assert set(records(home)) == {"x.zip", "x.zip!/a.csv", "x.zip!/dir/b.csv"}


# Prevents a dry run from showing archives as files that cannot be read, and an untracked run from passing them over.
def test_dry_run_and_untracked_runs_look_into_archives(home):
    home.write("in/x.zip", zip_of({"a.json": as_json(numbered(2)), "b.json": as_json(numbered(2, 3))}))
    dry = home.load("in", "--table", TABLE, "--dry-run")
    assert (dry["archives"], dry["members"]) == (1, 2) and {"id", "name"} <= {column["name"] for column in dry["schema"]}, dry
    run = home.load("in", "--table", TABLE, "--no-tracking")
    assert run["metrics"]["records_written"] == 4 and ids(home) == [1, 2, 3, 4] and records(home) == {}


# Prevents forgetting an archive from keeping its members known.
def test_forget_an_archive_forgets_its_members(home):
    home.write("in/x.zip", zip_of({"a.json": as_json(numbered(2)), "b.json": as_json(numbered(2, 3))}))
    home.load("in", "--table", TABLE)
    home.run("forget", TABLE, "in/x.zip", "--yes")
    assert records(home) == {}
    home.load("in", "--table", TABLE)
    home.run("forget", TABLE, "in/x.zip!/a.json", "--yes")
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["records_written"] == 2 and ids(home) == sorted([1, 2, 3, 4] * 2 + [1, 2])


# Prevents members of an archive that is gone from failing for ever, and from being lost when it comes back as it was.
def test_an_archive_that_vanishes_and_comes_back(home):
    content = zip_of({"a.json": as_json(numbered(2)), "b.json": b"{broken"})
    path = home.write("in/x.zip", content)
    home.load("in", "--table", TABLE, code=3)
    path.unlink()
    home.run("retry", TABLE, code=None)
    assert records(home)["x.zip!/b.json"]["error_type"] == "Vanished"
    path.write_bytes(zip_of({"a.json": as_json(numbered(2)), "b.json": as_json(numbered(2, 3))}))
    home.load("in", "--table", TABLE)
    assert ids(home) == [1, 2, 3, 4] and set(home.states()) == {"SUCCESS"}


MEASURE = """
import os, sys
process = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(process, 0)
open("peak", "w").write(str(usage.ru_maxrss * 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@cache
def ten_thousand_members():
    members = {f"d{n % 100}/{n}.json": numbered_json(10, 1 + 10 * n).encode() for n in range(10_000)}
    members["large.json"] = numbered_json(400_000, 200_001).encode()
    return members


# Prevents memory that grows with the number or the size of members, and passes over the archive that grow with their number: one for each
# of 10,000 members would take hours.
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "7z"])
def test_ten_thousand_members_in_bounded_memory(home, kind, tmp_path):
    members = ten_thousand_members()
    packed = seven_zip_of(members, tmp_path / "p", "deflate") if kind == "7z" else archive_of(kind, members, tmp_path / "p")
    home.write(f"in/x.{kind}", packed)
    home.run("load", "in", "--table", TABLE, before=(sys.executable, "-c", MEASURE))
    peak = int((home.folder / "peak").read_text())
    print(f"{kind}: peak {peak / 1e6:.0f} MB")
    assert home.states() == {"SUCCESS": 10_002} and len(ids(home)) == 500_000
    assert peak < MEMORY_MAX, f"{peak / 1e6:.0f} MB"


# Prevents members of one name, of which a backup that was appended to has many, from hiding one another, from taking the name that
# another one really has, from taking ever longer to name, and from being loaded again when one more is appended.
@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_many_equal_names(home, kind, tmp_path):
    members = [("d/x.json", as_json(numbered(2, 1 + 2 * n))) for n in range(1_000)]
    members.insert(500, ("d/x.json#2", as_json([{"id": 7_000, "name": "its own"}])))
    home.write(f"in/all.{kind}", archive_of(kind, members, tmp_path / "p"))
    home.load("in", "--table", TABLE)
    assert ids(home) == [*range(1, 2_001), 7_000]
    known = records(home)
    assert len(known) == 1_002 and {one["status"] for one in known.values()} == {"SUCCESS"}
    assert all(name.startswith(f"all.{kind}!/d/x.json") for name in known if name != f"all.{kind}")
    home.write(f"in/all.{kind}", archive_of(kind, [*members, ("d/x.json", as_json(numbered(1, 8_000)))], tmp_path / "p2"))
    assert home.load("in", "--table", TABLE)["metrics"]["records_written"] == 1
    home.load("in", "--parquet", tmp_path / "out", "--name", "objects")
    rows = [row["id"] for path in (tmp_path / "out").rglob("*.parquet") for row in pq.read_table(path, columns=["id"]).to_pylist()]
    assert sorted(rows) == [*range(1, 2_001), 7_000, 8_000]


# Prevents a kill inside an archive from losing or doubling members.
def test_kill_inside_an_archive(home, tmp_path):
    members = {f"{n:04}.json": as_json(numbered(50, 1 + 50 * n)) for n in range(2_000)}
    home.write("in/x.tar.gz", archive_of("tar.gz", members, tmp_path / "p"))
    arguments = ("load", "in", "--table", TABLE, "--batch-files-max", "300", "--json")
    kills = 0
    for _ in range(6):
        before = home.states().get("SUCCESS", 0) if kills else 0
        process = home.start(*arguments)
        while process.poll() is None:
            if (home.folder / ".sluice/ledger.db").exists():
                try:
                    if home.states().get("SUCCESS", 0) > before + 1:
                        break
                except Exception:  # its tables are just being made
                    pass
        if process.poll() is None:
            process.kill()
            kills += 1
        home.finish(process)
    assert kills > 0
    home.run(*arguments)
    assert ids(home) == list(range(1, 100_001)) and home.states() == {"SUCCESS": 2_001}
