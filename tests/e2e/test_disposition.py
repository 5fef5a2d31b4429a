"""After the load: done and failed files are moved away or deleted, only at the version that was loaded, also after a crash in between."""

import uuid
import zipfile

from program import numbered

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
