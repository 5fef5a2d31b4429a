"""After the load: done and failed files are moved away or deleted, only at the version that was loaded, also after a crash in between."""

import uuid
import zipfile
from urllib.parse import urlsplit

import pytest

from fault_proxy import HELD, Fault, FaultProxy
from program import numbered
from server_process import wait_until

TABLE = "t.events"
MOVES = ("--move-done", "done", "--move-failed", "failed")


def names(home, folder):
    return sorted(str(path.relative_to(home.folder / folder)) for path in (home.folder / folder).rglob("*") if path.is_file())


# Prevents: folders that do not show the states; a path that loses its folders on the way; a moved file that comes back as vanished.
def test_the_source_folder_shows_the_states(home):
    home.write_rows("in/2026/11/a b.json", numbered(3))
    home.write("in/bad.json", '{"id": ')
    outcome = home.run("load", "in", "--table", TABLE, "--retry-attempts-max", 1, *MOVES, code=3)
    assert "Moved 2 file(s)" in outcome.out, outcome
    assert (names(home, "done"), names(home, "failed"), names(home, "in")) == (["2026/11/a b.json"], ["bad.json"], [])
    home.write_rows("in/new.json", numbered(2, 10))
    home.run("load", "in", "--table", TABLE, "--retry-attempts-max", 1, *MOVES)
    assert names(home, "done") == ["2026/11/a b.json", "new.json"] and home.lake.count(TABLE) == 5
    assert home.states() == {"SUCCESS": 2, "FAILED": 1}


# Prevents: a failed file that is taken away before it was tried as often as it should be.
def test_a_failed_file_stays_while_it_is_tried_again(home):
    home.write("in/bad.json", '{"id": ')
    for left in (["bad.json"], []):
        home.run("load", "in", "--table", TABLE, "--retry-attempts-max", 2, *MOVES, code=None)
        assert names(home, "in") == left


# Prevents: what a process that was killed between confirm and move has left staying there for ever; and half a move done twice.
def test_a_later_run_finishes_what_was_cut_off(home):
    for number in (1, 2, 3):
        home.write_rows(f"in/{number}.json", numbered(2, number * 10))
    home.load("in", "--table", TABLE)
    home.write("done/1.json", (home.folder / "in/1.json").read_bytes())  # copied, and not yet removed
    home.write("done/2.json", "another file of that name")
    home.run("load", "in", "--table", TABLE, *MOVES)
    assert names(home, "in") == [] and names(home, "done") == ["1.json", "2.json", "2.json.1", "3.json"]
    assert (home.folder / "done/2.json").read_text() == "another file of that name"
    assert home.lake.count(TABLE) == 6


# Prevents: a file deleted at a version that nobody has loaded.
def test_a_changed_file_stays(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    home.write_rows("in/a.json", numbered(5, 10))
    home.run("load", "in", "--table", TABLE, "--on-change", "ignore", "--disposition-done", "delete")
    assert names(home, "in") == ["a.json"]
    home.write_rows("in/a.json", numbered(6, 100))
    home.run("load", "in", "--table", TABLE, "--on-change", "append", "--disposition-done", "delete")
    assert names(home, "in") == [] and home.lake.count(TABLE) == 8


# Prevents: sources deleted whose rows are no longer in the table.
def test_nothing_is_deleted_when_the_table_was_rolled_back(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    first = home.lake.table(TABLE).current_snapshot().snapshot_id
    home.write_rows("in/b.json", numbered(2, 10))
    home.load("in", "--table", TABLE)
    home.lake.table(TABLE).manage_snapshots().rollback_to_snapshot(first).commit()
    outcome = home.run("load", "in", "--table", TABLE, "--disposition-done", "delete", code=1)
    assert "rolled back" in outcome.err, outcome
    assert names(home, "in") == ["a.json", "b.json"]


# Prevents: moved files that are found and loaded again as new ones.
def test_a_target_inside_the_source_is_refused(home):
    home.write_rows("in/a.json", numbered(2))
    outcome = home.run("load", "in", "--table", TABLE, "--move-done", "in/done", code=2)
    assert "would list the moved files again" in outcome.err, outcome
    home.run("load", "in/*.json", "--table", TABLE, "--move-done", "in/done")
    assert names(home, "in") == ["done/a.json"]
    for wrong in (("--disposition-done", "archive"), ("--move-done", "s3://bucket/x"), ("--move-done", "x", "--no-tracking")):
        home.run("load", "in", "--table", TABLE, *wrong, code=2)


# Prevents: a move between keys that loses the object, or overwrites one.
def test_objects_are_moved_and_deleted(home, s3_server):
    bucket = s3_server.make_bucket(f"moves-{uuid.uuid4().hex[:8]}")
    home.extra_environment = {**s3_server.environment, "AWS_ENDPOINT_URL": s3_server.endpoint}
    s3 = s3_server.client
    for number in (1, 2):
        s3.put_object(Bucket=bucket, Key=f"in/x/{number} ä.json", Body=b'{"id": %d}\n' % number)
    s3.put_object(Bucket=bucket, Key="done/x/2 ä.json", Body=b"another")

    def keys(prefix):
        return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []))

    home.run("load", f"s3://{bucket}/in/", "--table", TABLE, "--move-done", f"s3://{bucket}/done")
    assert (keys("in/"), keys("done/")) == ([], ["done/x/1 ä.json", "done/x/2 ä.json", "done/x/2 ä.json.1"])
    assert s3.get_object(Bucket=bucket, Key="done/x/2 ä.json.1")["Body"].read() == b'{"id": 2}\n'
    s3.put_object(Bucket=bucket, Key="in/3.json", Body=b'{"id": 3}\n')
    home.run("load", f"s3://{bucket}/in/", "--table", TABLE, "--disposition-done", "delete")
    assert keys("in/") == [] and home.lake.count(TABLE) == 3


# Prevents: an archive taken away while members of it wait, and one whose rotten member nobody sees because it went with the done ones.
def test_an_archive_goes_where_its_members_went(home):
    for name, members in {"good": ['{"id": 1}', '{"id": 2}'], "rotten": ['{"id": 3}', '{"id": ']}.items():
        with zipfile.ZipFile(home.write(f"in/{name}.zip", ""), "w") as archive:
            for number, text in enumerate(members):
                archive.writestr(f"{number}.json", text + "\n")
    arguments = ("load", "in", "--table", TABLE, "--retry-attempts-max", 1, *MOVES)
    home.run(*arguments, "--run-files-max", 3, code=None)  # the archives, and one member
    assert names(home, "in") == ["good.zip", "rotten.zip"]
    home.run(*arguments, code=3)
    assert (names(home, "done"), names(home, "failed"), names(home, "in")) == (["good.zip"], ["rotten.zip"], [])
    assert home.lake.count(TABLE) == 3


class Bucket:
    """A bucket of a test's own; the program finds it at `endpoint`."""

    def __init__(self, home, s3_server, endpoint=None):
        self.name = s3_server.make_bucket(f"leaves-{uuid.uuid4().hex[:8]}")
        self.s3 = s3_server.client
        home.extra_environment = {**s3_server.environment, "AWS_ENDPOINT_URL": endpoint or s3_server.endpoint}

    def put(self, key, text):
        self.s3.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def texts(self, prefix):
        """{key below the prefix: text}"""
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])]
        return {key.removeprefix(prefix): self.s3.get_object(Bucket=self.name, Key=key)["Body"].read().decode() for key in keys}

    def tags(self, key):
        return {tag["Key"]: tag["Value"] for tag in self.s3.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]}

    def tag(self, key, **tags):
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        self.s3.put_object_tagging(Bucket=self.name, Key=key, Tagging={"TagSet": pairs})


# Prevents: files that are lost, in two places, or left for ever, because the process died between confirm and the first move, in the middle
# of many, or between a copy and the removal.
@pytest.mark.parametrize("what, first", [("HEAD /{}/done/", 1), ("PUT /{}/done/", 8), ("DELETE /{}/in/", 8)])
def test_killed_while_objects_leave(home, s3_server, what, first):
    proxy = FaultProxy(urlsplit(s3_server.endpoint).hostname, urlsplit(s3_server.endpoint).port, "http")
    bucket = Bucket(home, s3_server, proxy.url)
    texts = {f"{number:02}.json": f'{{"id": {number}}}\n' for number in range(30)}
    for name, text in texts.items():
        bucket.put(f"in/{name}", text)
    arguments = ("load", f"s3://{bucket.name}/in/", "--table", TABLE, "--move-done", f"s3://{bucket.name}/done")
    proxy.plan(Fault(HELD, first, 1_000_000, what.format(bucket.name)))
    process = home.start(*arguments)
    wait_until(lambda: proxy.fired or process.poll() is not None, "the moves to begin")
    assert process.poll() is None and home.states() == {"SUCCESS": 30}
    process.kill()
    home.finish(process)
    proxy.plan()
    assert len(bucket.texts("in/")) >= 30 - first and set(bucket.texts("in/")) | set(bucket.texts("done/")) == set(texts)
    outcome = home.run(*arguments)
    assert "warning" not in outcome.err, outcome
    assert bucket.texts("in/") == {} and bucket.texts("done/") == texts and home.lake.count(TABLE) == 30
    proxy.close()


# Prevents: the same for local files, which are renamed.
def test_killed_in_the_middle_of_many_moves(home):
    for number in range(3000):
        home.write_rows(f"in/{number:04}.json", numbered(1, number))
    arguments = ("load", "in", "--table", TABLE, "--move-done", "done")
    process = home.start(*arguments)
    done = home.folder / "done"
    while process.poll() is None and not (done.is_dir() and next(done.iterdir(), None)):
        pass
    process.kill()
    home.finish(process)
    assert 0 < len(names(home, "done")) < 3000, "killed too late: the test proves nothing"
    home.run(*arguments)
    assert names(home, "in") == [] and len(names(home, "done")) == 3000 and home.lake.count(TABLE) == 3000
    assert all((done / f"{number:04}.json").read_text() == f'{{"id": {number}, "name": "n{number}"}}\n' for number in (0, 1500, 2999))


# Prevents: tags of others that are lost, objects that are tagged again by every run, and a tag that says failed of a file that is done.
def test_objects_are_tagged(home, s3_server):
    bucket = Bucket(home, s3_server)
    bucket.put("in/good ä.json", '{"id": 1}\n')
    bucket.put("in/bad.json", '{"id": ')
    bucket.tag("in/good ä.json", team="a+b:c")
    tagging = ("--disposition-done", "tag", "--disposition-failed", "tag", "--retry-attempts-max", 1)
    arguments = ("load", f"s3://{bucket.name}/in/", "--table", TABLE, *tagging)
    outcome = home.run(*arguments, code=3)
    assert "tagged 2" in outcome.out, outcome
    assert bucket.tags("in/good ä.json") == {"team": "a+b:c", "sluice": "done"} and bucket.tags("in/bad.json") == {"sluice": "failed"}
    bucket.tag("in/good ä.json", team="a+b:c")
    assert "tagged" not in home.run(*arguments).out and bucket.tags("in/good ä.json") == {"team": "a+b:c"}
    assert home.ledger("select file_etag = disposed_version same, disposed_as from processed_files order by 2") == [
        {"same": 1, "disposed_as": "done"}, {"same": 1, "disposed_as": "failed"},
    ]  # fmt: skip
    bucket.put("in/bad.json", '{"id": 2}\n')
    bucket.put("in/good ä.json", '{"id": 3}\n')
    assert "tagged 2" in home.run(*arguments).out
    assert bucket.tags("in/bad.json") == {"sluice": "done"} and bucket.tags("in/good ä.json") == {"sluice": "done"}
    assert home.lake.count(TABLE) == 3


# Prevents: tags promised for files that cannot have any.
def test_local_files_are_not_tagged(home):
    home.write_rows("in/a.json", numbered(1))
    outcome = home.run("load", "in", "--table", TABLE, "--disposition-done", "tag", code=2)
    assert "are local and have no tags" in outcome.err, outcome


# Prevents: a disposition that only `sluice load` knows; a failed file that does not come back when it was repaired.
def test_every_command_that_runs_disposes(home):
    home.write(
        "sluice.yaml",
        "ingestions:\n  events:\n    source: {paths: [in]}\n    table: t.events\n    on_change: append\n    retry: {attempts_max: 1}\n"
        '    disposition: {done: "move:done", failed: "move:failed"}\n',
    )
    home.write_rows("in/a.json", numbered(2))
    home.write("in/bad.json", '{"id": ')
    ran = home.run("run", "events", "--json", code=3).json
    assert ran["disposed"] == {"moved": 2, "deleted": 0, "tagged": 0, "error": None}
    assert (names(home, "done"), names(home, "failed"), names(home, "in")) == (["a.json"], ["bad.json"], [])
    assert home.states() == {"SUCCESS": 1, "FAILED": 1}
    (home.folder / "failed/bad.json").rename(home.folder / "in/bad.json")
    home.run("run", "events", code=0)  # as it was: it is not tried again, and goes back
    assert names(home, "failed") == ["bad.json"]
    (home.folder / "failed/bad.json").rename(home.folder / "in/bad.json")
    home.run("retry", "events", code=1)
    assert names(home, "failed") == ["bad.json"]
    home.write_rows("in/bad.json", numbered(1, 10))  # repaired
    home.run("run", "events")
    assert (names(home, "done"), names(home, "in")) == (["a.json", "bad.json"], []) and home.lake.count(TABLE) == 3
    home.write_rows("in/a.json", numbered(1, 20))  # another file of a known name
    home.run("run", "events")
    assert names(home, "done") == ["a.json", "a.json.1", "bad.json"] and home.lake.count(TABLE) == 4


# Prevents: the only copy of a file deleted because it seems to lie at its target already: there it is itself, by its path or by a link.
def test_a_file_is_never_moved_onto_itself(home):
    home.write_rows("archive/a.json", numbered(2))
    outcome = home.run("load", "archive/a.json", "--table", TABLE, "--name", "one", "--move-done", "archive", code=None)
    assert names(home, "archive") == ["a.json"] and "is the same file" in outcome.err, outcome
    home.write_rows("later/b.json", numbered(2, 10))
    (home.folder / "kept").mkdir()
    (home.folder / "kept/b.json").symlink_to("../later/b.json")
    home.run("load", "later", "--table", TABLE, "--name", "two", "--move-done", "kept", code=None)
    assert names(home, "later") == ["b.json"]
    home.write_rows("in/c.json", numbered(2, 20))
    (home.folder / "mirror").symlink_to("in")
    refused = home.run("load", "in", "--table", TABLE, "--name", "three", "--move-done", "mirror", code=2)
    assert "would list the moved files again" in refused.err and names(home, "in") == ["c.json"], refused


# Prevents: a careless glob that finds the tables' own files, after which "what was loaded" is deleted from under the table.
def test_files_of_tables_are_never_disposed_of(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    rows = home.lake.count(TABLE)
    for _ in range(2):
        outcome = home.run("load", "warehouse/**/*.parquet", "--table", "t.other", "--disposition-done", "delete", "--allow-empty", code=None)
    assert "where tables have their own files" in outcome.err, outcome
    assert home.lake.count(TABLE) == rows and home.lake.count("t.other") >= rows


# Prevents: an archive deleted though members of it were never looked at: one with a name that leads out, an archive inside.
@pytest.mark.parametrize("member", ["../evil.json", "inner.zip"])
def test_an_archive_with_members_left_stays(home, member):
    inner = home.folder / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("b.json", '{"id": 2}\n')
    (home.folder / "in").mkdir()
    with zipfile.ZipFile(home.folder / "in/all.zip", "w") as archive:
        archive.writestr("a.json", '{"id": 1}\n')
        archive.writestr(member, inner.read_bytes() if member.endswith("zip") else b'{"id": 3}\n')
    home.run("load", "in", "--table", TABLE, "--disposition-done", "delete", code=None)
    assert home.lake.count(TABLE) == 1 and names(home, "in") == ["all.zip"]


# Prevents: a target that cannot be made passed over in silence, run after run.
def test_a_target_that_cannot_be_made_is_said(home):
    home.write_rows("in/a.json", numbered(2))
    home.write("file", "no folder")
    outcome = home.run("load", "in", "--table", TABLE, "--move-done", "file", code=None)
    assert names(home, "in") == ["a.json"] and "a later run tries again" in outcome.err, outcome
