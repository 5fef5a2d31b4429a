"""The converter story: a folder of mixed files becomes Parquet on S3, stopped and killed on the way, each file once."""

import contextlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from converter import Bucket, check_objects, checked_inventory, done_files, make_sources, read_object
from fault_proxy import DELAYED, Fault, FaultProxy
from server_process import free_port

NAME = "convert"
EVERYTHING = 10**9
PATIENCE_S = 60


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    began = time.monotonic()
    made = make_sources(tmp_path_factory.mktemp("converter") / "source")
    print(f"{len(made.names)} source files in {time.monotonic() - began:.1f} s")
    return made


@pytest.fixture
def bucket(s3_server, home):
    home.extra_environment = dict(s3_server.environment)
    return Bucket(s3_server)


@pytest.fixture
def slow(s3_server):
    """The same server behind a proxy that can make every answer late, so that there is a half-way."""
    host, port = s3_server.endpoint.removeprefix("http://").split(":")
    proxy = FaultProxy(host, int(port), "http")
    yield proxy
    proxy.close()


def inventory(home):
    """None before the ledger knows the ingestion."""
    outcome = home.run("status", NAME, "--inventory", "--json", code=None)
    return checked_inventory(outcome.json) if outcome.code == 0 else None


class Watch:
    """Looks at the inventory all the while."""

    def __init__(self, home):
        self._home, self.seen, self._error, self._over = home, [], None, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        try:
            while not self._over.is_set():
                if (one := inventory(self._home)) is not None:
                    self.seen.append(one)
        except BaseException as error:
            self._error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if self._error:
            raise self._error


def convert(sources, bucket, prefix, endpoint, *more):
    return ("load", sources.folder, "--parquet", bucket.uri(prefix), "--name", NAME, "--s3-endpoint", endpoint, *more)


def objects_put(proxy):
    return sum(one.startswith("PUT ") and ".parquet" in one for one in proxy.requests)


def stop_half_way(home, arguments, proxy, objects, stop):
    """Runs until so many objects were sent, then `stop`s the process."""
    proxy.plan(Fault(DELAYED, 1, EVERYTHING))
    process = home.start(*arguments)
    deadline = time.monotonic() + PATIENCE_S
    while objects_put(proxy) < objects and process.poll() is None:
        assert time.monotonic() < deadline, proxy.requests[-10:]
        time.sleep(0.01)
    assert process.poll() is None, home.finish(process, arguments)
    stop(process)
    return home.finish(process, arguments)


# Prevents what people know from scripts that convert folders: a kill half-way means to begin again, or to find half of an object; files
# that were finished are converted again; a file is lost because another has its name, holds nothing, or cannot be read; and counts that do
# not add up while work is going on. Two files may be broken; each says why.
def test_the_converter_story(home, sources, bucket, slow, s3_server):
    began = time.monotonic()
    arguments = convert(sources, bucket, "out", slow.url)
    with Watch(home) as watch:
        stopped = stop_half_way(home, arguments, slow, 6, lambda process: process.terminate())
        assert stopped.code == 130, stopped
        after_stop, versions_then = inventory(home), bucket.versions("out")
        assert after_stop["in_progress"] == 0 and 0 < after_stop["done"] < len(sources.names), "state was not saved"
        assert done_files(after_stop, sources) <= set(versions_then)

        killed = stop_half_way(home, arguments, slow, 6, lambda process: process.kill())
        assert killed.code == -9
        after_kill, versions_killed = inventory(home), bucket.versions("out")
        assert done_files(after_stop, sources) <= done_files(after_kill, sources) <= set(versions_killed)
        assert after_kill["pending"] > 0

        slow.plan()
        home.run(*arguments, code=3)
    for seen in watch.seen:
        assert seen["files"] in (0, len(sources.names)) or not (seen["done"] or seen["in_progress"]), "work began before the inventory was there"

    at_the_end = inventory(home)
    assert at_the_end["pending"] == 0 and at_the_end["skipped"] == 0
    assert at_the_end["failed"] == len(sources.failures) and at_the_end["done"] == len(sources.names) - len(sources.failures)
    assert at_the_end["members"]["done"] == at_the_end["members"]["files"] == 9 + 2
    root = f"file://{sources.folder}/"
    lines = {line["name"].removeprefix(root): line for line in at_the_end["inventory"]}
    assert sorted(lines) == sorted(sources.names)
    for name, reason in sources.failures.items():
        assert lines[name]["state"] == "failed" and reason in lines[name]["reason"], lines[name]
    for name in sources.empty:
        assert lines[name]["state"] == "done" and lines[name]["rows"] == 0, lines[name]
    check_objects(sources, bucket, "out", versions_killed)
    assert bucket.unfinished() == []

    again = home.run(*arguments, "--json", code=None).json
    assert again["metrics"]["records_written"] == 0
    assert bucket.versions("out") == {**bucket.versions("out"), **versions_killed}
    verified = home.run("verify", NAME, "--json").json
    assert verified["differences"] == [] and verified["objects"] == len(sources.objects)

    home.run(*convert(sources, bucket, "whole", s3_server.endpoint)[:4], "--name", "whole", "--s3-endpoint", s3_server.endpoint, code=3)
    assert {key: bucket.read("out", key)[0] for key in sources.objects if key != "big.csv.parquet"} == {
        key: bucket.read("whole", key)[0] for key in sources.objects if key != "big.csv.parquet"
    }
    print(f"the story took {time.monotonic() - began:.1f} s")


# Prevents files that are called FAILED because the place they go to could not be reached: nothing is wrong with them.
def test_an_unreachable_server_fails_no_file(home, sources, bucket, s3_server):
    nowhere = f"http://127.0.0.1:{free_port()}"
    failed = home.run(*convert(sources, bucket, "out", nowhere), "--json", code=1).json
    assert failed["status"] == "FAILED" and failed["metrics"]["files_failed"] == 0, failed
    seen = inventory(home)
    assert seen["pending"] == seen["files"] == len(sources.names) and seen["failed"] == 0
    home.run(*convert(sources, bucket, "out", s3_server.endpoint), code=3)
    check_objects(sources, bucket, "out", {})


@pytest.fixture
def small_disk(tmp_path):
    """A folder that holds 1 MB, and a function that makes it larger; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=256m", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


# Prevents files that are called done though their object was cut off by a full disk, or FAILED for it; and a load that does not go on once
# there is room.
def test_a_full_disk_fails_no_file(home, sources, small_disk):
    folder, make_room = small_disk
    arguments = ("load", sources.folder, "--parquet", folder / "out", "--name", NAME)
    full = home.run(*arguments, "--json", code=1).json
    assert full["status"] == "FAILED" and "No space left" in full["error"], full
    assert inventory(home)["failed"] == 0
    make_room()
    home.run(*arguments, code=3)
    assert home.run("verify", NAME, "--json").json["differences"] == []
    for key, rows in sources.objects.items():
        assert read_object((folder / "out" / key).read_bytes())[0] == rows, key
    assert [path for path in (folder / "out").rglob("*") if path.is_file() and path.suffix != ".parquet"] == []


# Prevents a converter that takes garbage for an empty ledger, and converts everything once more.
def test_garbage_instead_of_a_ledger_stops(home, sources, bucket, s3_server):
    few = sources.folder / "many"
    arguments = ("load", few, "--parquet", bucket.uri("out"), "--name", NAME, "--s3-endpoint", s3_server.endpoint)
    home.run(*arguments)
    versions = bucket.versions("out")
    for leftover in ("ledger.db-wal", "ledger.db-shm"):
        with contextlib.suppress(FileNotFoundError):
            (home.folder / ".sluice" / leftover).unlink()
    (home.folder / ".sluice/ledger.db").write_bytes(b"garbage " * 4096)
    refused = home.run(*arguments, code=None)
    assert refused.code != 0 and "ledger.db" in refused.err, refused
    assert bucket.versions("out") == versions


# Prevents a lost ledger after which everything is converted once more, or nothing ever again; and objects that a rebuilt ledger takes for
# somebody else's when their file changes.
def test_a_lost_ledger_is_rebuilt_from_the_objects(home, sources, bucket, s3_server):
    folder = home.folder / "in"
    shutil.copytree(sources.folder / "many", folder)
    shutil.copytree(sources.folder / "packed", folder / "packed")
    (folder / "packed/corrupt.zip").unlink()
    arguments = ("load", folder, "--parquet", bucket.uri("out"), "--name", NAME, "--s3-endpoint", s3_server.endpoint)
    home.run(*arguments)
    before = bucket.versions("out")
    for path in filter(Path.is_file, (home.folder / ".sluice").glob("ledger.db*")):
        path.unlink()
    home.run(*arguments, code=1)  # every file failed
    refused = home.run(*arguments, code=1)
    assert f"`sluice rebuild {NAME}` reads back which files were converted" in refused.out + refused.err, refused
    assert bucket.versions("out") == before
    copy = {"Bucket": bucket.name, "Key": "out/11.json.parquet"}
    s3_server.client.copy_object(Bucket=bucket.name, Key="out/copies/11.json.parquet", CopySource=copy)
    report = home.run("rebuild", NAME, "--json").json
    assert report["versions_by_footer"] == len(before) == 10 + 9 and report["files_to_load"] == 0, report
    (folder / "10.json").write_text('{"id": 1}\n')
    assert home.run(*arguments, "--json").json["metrics"]["records_written"] == 1
    after = bucket.versions("out")
    assert all(after[key] == versions for key, versions in before.items() if key != "10.json.parquet")
    assert len(after["10.json.parquet"]) == 2
    (folder / "12.json").write_bytes(b"")
    home.run(*arguments)
    (copied,) = home.run("verify", NAME, "--json", code=1).json["differences"]
    assert copied["kind"] == "unknown" and copied["object"].endswith("copies/11.json.parquet"), copied


# Prevents objects of files that went to another folder after their load from being nobody's once the ledger was lost and made anew.
def test_rebuild_remembers_files_that_left(home, tmp_path):
    for number in range(3):
        home.write(f"in/{number}.json", f'{{"id": {number}}}\n')
    arguments = ("load", "in", "--parquet", tmp_path / "out", "--name", NAME, "--move-done", tmp_path / "done")
    home.run(*arguments)
    shutil.rmtree(home.folder / ".sluice")
    home.run(*arguments, "--allow-empty")
    assert "3 version(s) are remembered from footers" in home.run("rebuild", NAME).out
    assert home.run("verify", NAME, "--json").json["differences"] == []
    (tmp_path / "out/1.json.parquet").write_bytes((tmp_path / "out/2.json.parquet").read_bytes())
    (wrong,) = home.run("verify", NAME, "--json", code=1).json["differences"]
    assert wrong["kind"] == "unknown" and wrong["object"].endswith("1.json.parquet"), wrong


def field_ids(field):
    inner = [field.type.field(i) for i in range(field.type.num_fields)]
    return [int(field.metadata[b"PARQUET:field_id"])] + [one for part in inner for one in field_ids(part)]


# Prevents columns that only reading a file whole finds (what is rescued, what comes behind the sample) from getting field ids of others.
def test_field_ids_are_unique(home, tmp_path):
    home.write("in/rescued.json", '{"id":1,"A":2,"a":3}\n')
    late = '{"id":1,"s":{"x":1,"l":[1]}}\n' * 400_000 + '{"id":2,"late":{"y":[1]},"s":{"x":1,"l":[2],"z":2}}\n'
    home.write("in/late.json", late)
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME)
    for name, count in {"rescued": 3, "late": 9}.items():
        ids = [one for field in pq.read_schema(tmp_path / "out" / f"{name}.json.parquet") for one in field_ids(field)]
        assert len(ids) == len(set(ids)) >= count, (name, ids)


# Prevents values behind the sample from becoming null because an older part of the same file looked narrower: nobody has read that object.
def test_columns_become_as_wide_as_the_whole_file_needs(home, tmp_path):
    late = '{"id":1,"n":1,"s":{"x":1},"d":"2026-01-01"}\n' * 200_000 + '{"id":"A7","n":2.5,"s":{"x":0.25},"d":"soon"}\n'
    home.write("in/late.json", late)
    home.write("in/late.csv", "id,code\n" + "17,4\n" * 900_000 + "18,0042\n")
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME)
    table = pq.read_table(tmp_path / "out/late.json.parquet")
    last = {name: table[name][-1].as_py() for name in ("id", "n", "s", "d")}
    assert last == {"id": "A7", "n": 2.5, "s": {"x": 0.25}, "d": "soon"} and "_rescued_data" not in table.column_names
    assert table["id"][0].as_py() == "1" and table["n"][0].as_py() == 1.0
    assert pq.read_table(tmp_path / "out/late.csv.parquet")["code"][-1].as_py() == "0042"


# Prevents a large member that can be read once only from failing for what its beginning did not show: it is kept beside the columns.
def test_a_member_that_comes_once_rescues_what_comes_late(home, tmp_path):
    late = b'{"id":1}\n' * 1_100_000 + b'{"id":"A7","new":2}\n'
    home.folder.joinpath("in").mkdir()
    with tarfile.open(home.folder / "in/all.tar.gz", "w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("late.json")
        info.size = len(late)
        archive.addfile(info, io.BytesIO(late))
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME)
    last = pq.read_table(tmp_path / "out/all.tar.gz/late.json.parquet").slice(1_100_000).to_pylist()[0]
    assert last["id"] is None and json.loads(last["_rescued_data"]) == {"id": "A7", "new": 2}


# Prevents one file, whose key is another one's folder, from stopping all others for good.
def test_a_file_beside_a_folder_of_its_key_fails_alone(home, tmp_path):
    for name in ("a", "b.csv", "a.parquet/x.csv"):
        home.write(f"in/{name}", "a,b\n1,2\n")
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME, "--batch-files-max", 1, code=3)
    states = {one["name"]: (one["state"], one["reason"]) for one in home.run("status", NAME, "--inventory", "--json").json["inventory"]}
    assert sorted(state for state, _ in states.values()) == ["done", "done", "failed"]
    (reason,) = [reason for state, reason in states.values() if state == "failed"]
    assert reason.count("x.csv: ") + reason.count("a: ") == 1 and "cannot be written beside another file's" in reason, reason


# Prevents a comparison that says all is well whatever there is: an object that is gone, one that somebody put there, one of other rows.
def test_verify_names_each_difference(home, sources, tmp_path):
    out = tmp_path / "out"
    home.run("load", sources.folder / "many", "--parquet", out, "--name", NAME)
    good = home.run("verify", NAME, "--json").json
    assert good["differences"] == [] and good["objects"] == good["done"] == 10
    (out / "10.json.parquet").unlink()
    (out / "11.json.parquet").write_bytes((out / "12.json.parquet").read_bytes())
    (out / "foreign.parquet").write_bytes(b"not ours")
    differences = {one["object"].rsplit("/")[-1]: one["kind"] for one in home.run("verify", NAME, "--json", code=1).json["differences"]}
    assert differences == {"10.json.parquet": "missing", "11.json.parquet": "source", "foreign.parquet": "unknown"}
    assert "missing" in home.run("verify", NAME, code=1).out


# Prevents names of the source as its objects' metadata has them, percent-encoded, from being shown to people who look for the file.
def test_verify_calls_files_as_the_source_does(home, tmp_path):
    for name in ("zwei Dörfer 100%.csv", "other.csv"):
        home.write(f"in/{name}", "a\n1\n")
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME)
    (tmp_path / "out/other.csv.parquet").write_bytes((tmp_path / "out/zwei Dörfer 100%.csv.parquet").read_bytes())
    (tmp_path / "out/copy.parquet").write_bytes((tmp_path / "out/other.csv.parquet").read_bytes())
    reasons = [one["reason"] for one in home.run("verify", NAME, "--json", code=1).json["differences"]]
    assert len(reasons) == 2 and all(f"{home.folder}/in/zwei Dörfer 100%.csv" in reason for reason in reasons), reasons


# Prevents new, changed and missing source files from going unsaid, from being taken for damage, and a source that is not there from hiding
# what can be said of the objects.
def test_verify_tells_what_the_sources_have_become(home, tmp_path):
    for name in ("a.csv", "b.csv", "c.csv"):
        home.write(f"in/{name}", "a\n1\n")
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME)
    assert home.run("verify", NAME, "--json").json["source_changes"] == []
    home.write("in/b.csv", "a\n1\n2\n")
    home.write("in/d.csv", "a\n1\n")
    (home.folder / "in/c.csv").unlink()
    found = home.run("verify", NAME, "--json").json
    changes = {one["file"].rsplit("/")[-1]: one["kind"] for one in found["source_changes"]}
    assert changes == {"b.csv": "changed", "c.csv": "gone", "d.csv": "new"} and found["differences"] == [], found
    said = home.run("verify", NAME).out
    assert "Sources: 1 new, 1 changed, 1 gone since the last run" in said and "b.csv: changed since it was done" in said, said
    (tmp_path / "out/a.csv.parquet").unlink()
    assert home.run("verify", NAME, "--json", code=1).json["source_changes"] == found["source_changes"]
    home.run("load", "in", "--parquet", tmp_path / "out", "--name", NAME)
    assert home.run("verify", NAME, code=1).out.count("c.csv: its file is there no more") == 1
    shutil.rmtree(home.folder / "in")
    alone = home.run("verify", NAME, "--objects-only", "--json", code=1).json
    assert "source_changes" not in alone and [one["kind"] for one in alone["differences"]] == ["missing"]
    assert {one["kind"] for one in home.run("verify", NAME, "--json", code=1).json["source_changes"]} == {"gone"}
