"""Strangers work on our table: what they do is kept, our batches are recognised, and where history was cut we stop and say so."""

import json
import re
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest
from pyiceberg.types import StringType

from program import numbered

TABLE = "bronze.events"
LEDGER_FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm")
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])


def load_files(home, *numbers):
    """Loads one more file per number, three rows each; returns the run."""
    for number in numbers:
        home.write_rows(f"in/{number}.json", numbered(3, 1 + 3 * number))
    return home.load("in", "--table", TABLE)


def assert_ids(home, *expected):
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == sorted(expected)


def assert_stops(home, *words):
    """A load with something new ends with 1 and a message, and changes nothing."""
    home.write_rows("in/new.json", numbered(1, 1000))
    before = home.lake.table(TABLE).metadata_location
    outcome = home.run("load", "in", "--table", TABLE, code=1)
    for word in words:
        assert word in outcome.text, outcome
    assert home.lake.table(TABLE).metadata_location == before
    assert home.ledger("select status from processed_files where file_path like '%new.json' and status = 'SUCCESS'") == []
    return outcome


def rollback(home, snapshot_id):
    home.lake.sql(f"call local.system.rollback_to_snapshot('{TABLE}', {snapshot_id})")


def snapshots(home):
    return [snapshot.snapshot_id for snapshot in home.lake.table(TABLE).snapshots()]


def append_stranger(home):
    home.lake.table(TABLE).append(pa.Table.from_pylist(numbered(1, 500), schema=SCHEMA))


# Prevents a commit of ours from overwriting one that came between, and strangers' rows from confusing what we know.
def test_strangers_append_between_our_loads(home):
    load_files(home, 0, 1)
    append_stranger(home)
    load_files(home, 2)
    home.lake.sql(f"insert into local.{TABLE} (id, name) values (501, 'spark')")
    run = load_files(home, 3)
    assert run["metrics"]["files_processed"] == 1
    rows = numbered(12) + numbered(1, 500) + [{"id": 501, "name": "spark"}]
    home.lake.assert_judges_agree(TABLE, rows, [("id", ">=", 500), ("name", "==", "n7")])
    assert load_files(home)["metrics"]["files_processed"] == 0


# Prevents loads that write into columns by name where a stranger has renamed, added or dropped them.
def test_strangers_evolve_our_table(home):
    load_files(home, 0)
    with home.lake.table(TABLE).update_schema() as update:
        update.add_column("city", StringType())
    home.write_rows("in/c.json", [{"id": 100, "name": "x", "city": "Bern"}])
    home.load("in", "--table", TABLE)
    home.lake.sql(f"alter table local.{TABLE} rename column city to town")
    home.lake.sql(f"alter table local.{TABLE} add column height double")
    home.write_rows("in/d.json", [{"id": 101, "name": "y", "town": "Genf", "height": 1.5}])
    home.load("in", "--table", TABLE)
    home.lake.sql(f"alter table local.{TABLE} drop column height")
    load_files(home, 5)
    rows = [{**row, "town": None} for row in numbered(3) + numbered(3, 16)]
    rows += [{"id": 100, "name": "x", "town": "Bern"}, {"id": 101, "name": "y", "town": "Genf"}]
    home.lake.assert_judges_agree(TABLE, rows, [("town", "==", "Bern")])


# Prevents compaction from making our batches unrecognisable: the data files are others then, the rows the same.
def test_spark_compacts_our_table(home):
    for number in range(4):
        load_files(home, number)
    home.lake.sql(f"call local.system.rewrite_data_files(table => '{TABLE}', options => map('rewrite-all', 'true'))")
    home.lake.sql(f"call local.system.rewrite_manifests('{TABLE}')")
    assert load_files(home)["metrics"]["files_processed"] == 0
    load_files(home, 4)
    home.lake.assert_judges_agree(TABLE, numbered(15), [("id", ">", 12)])


# Prevents expired snapshots from being taken for a rollback.
def test_spark_expires_our_snapshots(home):
    for number in range(3):
        load_files(home, number)
    home.lake.sql(f"call local.system.expire_snapshots(table => '{TABLE}', older_than => timestamp '2100-01-01', retain_last => 1)")
    assert len(snapshots(home)) == 1
    assert load_files(home)["metrics"]["files_processed"] == 0
    load_files(home, 3)
    assert_ids(home, *range(1, 13))


# The same of PyIceberg, which drops them from the metadata and leaves the files.
def test_pyiceberg_expires_our_snapshots(home):
    for number in range(3):
        load_files(home, number)
    home.lake.table(TABLE).maintenance.expire_snapshots().by_ids(snapshots(home)[:-1]).commit()
    assert len(snapshots(home)) == 1
    assert load_files(home)["metrics"]["files_processed"] == 0
    load_files(home, 3)
    assert_ids(home, *range(1, 13))


# Prevents rule M from missing a rollback: what the ledger calls loaded is no longer in the table, so loading on would hide a hole.
def test_rollback_behind_our_last_batch_stops(home):
    load_files(home, 0)
    load_files(home, 1)
    rollback(home, snapshots(home)[0])
    outcome = assert_stops(home, "rolled back")
    assert "forget" in outcome.text or "rebuild" in outcome.text
    home.run("forget", TABLE, "--all", "--yes")
    home.load("in", "--table", TABLE)
    assert_ids(home, *([1, 2, 3] * 2), 4, 5, 6, 1000)


# Prevents a rollback of a stranger's snapshot, after our last batch, from stopping us.
def test_rollback_of_a_strangers_snapshot_goes_on(home):
    load_files(home, 0)
    ours = snapshots(home)[-1]
    append_stranger(home)
    rollback(home, ours)
    load_files(home, 1)
    assert_ids(home, 1, 2, 3, 4, 5, 6)


# Prevents rule T from publishing into a table that merely has the name of the one we loaded.
@pytest.mark.parametrize("how", ["drop", "replace"])
def test_a_table_made_anew_stops(home, how):
    load_files(home, 0)
    if how == "drop":
        home.lake.pyiceberg.drop_table(TABLE)
        home.lake.pyiceberg.create_table(TABLE, schema=SCHEMA, location=f"file://{home.folder}/warehouse/bronze/events2")
    else:
        home.lake.sql(f"create or replace table local.{TABLE} (id bigint, name string) using iceberg")
    assert_stops(home, TABLE)
    assert_ids(home)


# Confirm does not end while this trigger is there (but in the end it does: nothing spins for ever).
STALL = """
create view long_while as with recursive steps(n) as (select 1 union all select n + 1 from steps where n < 1000000000) select n from steps;
create trigger stall before update of state on batches when new.state = 'COMMITTED' begin select count(*) from long_while; end;
"""
UNSTALL = "drop trigger stall; drop view long_while"


@contextmanager
def stalled_confirm(home):
    with closing(sqlite3.connect(home.folder / ".sluice/ledger.db", timeout=30)) as ledger:
        ledger.executescript(STALL)
        yield
        ledger.executescript(UNSTALL)


def die_before_confirm(home, number):
    """A load of one more file is killed when its snapshot is in the table and the ledger has not heard of it; returns that snapshot's id."""
    home.write_rows(f"in/{number}.json", numbered(3, 1 + 3 * number))
    before = snapshots(home)
    with stalled_confirm(home):
        process = home.start("load", "in", "--table", TABLE)
        deadline = time.monotonic() + 60
        while snapshots(home) == before:
            assert process.poll() is None and time.monotonic() < deadline, "nothing was published"
            time.sleep(0.05)
        process.kill()
        home.finish(process)
    assert newest_batch(home)["state"] == "PREPARED"
    return home.lake.table(TABLE).current_snapshot().snapshot_id


def load_by_another_name(home):
    """Three rows of another ingestion: of ours nothing is confirmed yet, so that rule M has nothing to say."""
    home.write_rows("other/0.json", numbered(3))
    home.load("other", "--table", TABLE, "--name", "other")


def newest_batch(home):
    return home.ledger("select id, state from batches order by id desc limit 1")[0]


def files_of_table(home):
    return {str(path) for path in home.lake.warehouse.glob("bronze/events/**/*") if path.is_file()}


def data_files_of(home, batch):
    return list(home.lake.warehouse.glob(f"bronze/events/data/{batch['id']}/**/*.parquet"))


# Prevents rule P from publishing once more what somebody took out of the table before we knew that it was in there, from calling it loaded
# (the mark, which stays, says so), and from deleting what a restored table needs.
@pytest.mark.parametrize("how", ["rollback", "replace"])
def test_a_batch_that_was_taken_out_before_confirm_stops(home, how):
    load_by_another_name(home)
    ours = die_before_confirm(home, 1)
    if how == "rollback":
        rollback(home, snapshots(home)[0])
    else:
        home.lake.sql(f"create or replace table local.{TABLE} (id bigint, name string) using iceberg")
    left = [1, 2, 3] if how == "rollback" else []
    files = files_of_table(home)
    for _ in range(2):
        assert_stops(home, "was published, and then the table was rolled back or replaced", "sluice forget", "restore the table")
        assert newest_batch(home)["state"] == "PREPARED"
        assert files_of_table(home) == files
        assert_ids(home, *left)
    if how == "rollback":  # one way out: the rows are wanted
        home.run("forget", TABLE, home.folder / "in/1.json", "--yes")
        left += [4, 5, 6]
    else:  # the other one
        home.lake.sql(f"call local.system.set_current_snapshot('{TABLE}', {ours})")
        left = range(1, 7)
    home.load("in", "--table", TABLE)
    assert_ids(home, *left, 1000)


def compact_and_expire(home, _):
    home.lake.sql(f"call local.system.rewrite_data_files(table => '{TABLE}', options => map('rewrite-all', 'true'))")
    home.lake.sql(f"call local.system.expire_snapshots(table => '{TABLE}', older_than => timestamp '2100-01-01', retain_last => 1)")


def overwrite_and_expire(home, _):
    table = home.lake.table(TABLE)
    table.overwrite(table.scan().to_arrow())
    home.lake.table(TABLE).maintenance.expire_snapshots().by_ids(snapshots(home)[:-1]).commit()


def append_and_expire(home, _):
    append_stranger(home)
    home.lake.table(TABLE).maintenance.expire_snapshots().by_ids(snapshots(home)[:-1]).commit()


def set_back_and_pick_again(home, ours):
    rollback(home, snapshots(home)[0])
    append_stranger(home)
    home.lake.sql(f"call local.system.cherrypick_snapshot('{TABLE}', {ours})")
    home.lake.table(TABLE).maintenance.expire_snapshots().by_ids([ours]).commit()


# Prevents a batch from being loaded again whose snapshot is gone before we knew that it was published, while its rows are in the table: in
# its own data files, in those of a compaction that deleted ours, or under a history that knows nothing of it.
@pytest.mark.parametrize(("maintain", "keeps_files"), [(compact_and_expire, False), (overwrite_and_expire, False), (append_and_expire, True), (set_back_and_pick_again, True)])
def test_a_batch_whose_snapshot_is_gone_before_confirm_is_found(home, maintain, keeps_files):
    load_files(home, 0)
    ours = die_before_confirm(home, 1)
    batch = newest_batch(home)
    maintain(home, ours)
    assert ours not in snapshots(home) and (maintain is overwrite_and_expire or bool(data_files_of(home, batch)) == keeps_files)
    strangers = numbered(1, 500) if keeps_files else []
    load_files(home, 2)
    home.lake.assert_judges_agree(TABLE, numbered(9) + strangers, judges=("pyiceberg", "duckdb"))
    assert home.ledger("select state from batches where id = ?", batch["id"]) == [{"state": "COMMITTED"}]
    assert home.states() == {"SUCCESS": 3}
    assert load_files(home)["metrics"]["files_processed"] == 0


# Prevents a table from passing for one that was rolled back because PyIceberg, which takes the parent's name from the snapshot that it leaves,
# expired what stood below a stranger's.
@pytest.mark.parametrize("rewrites", [False, True])
def test_loads_go_on_where_pyiceberg_expired_our_snapshots(home, rewrites):
    load_files(home, 0)
    if rewrites:  # as one compacts with PyIceberg: what is left begins with an empty table, and has as much as it added
        overwrite_and_expire(home, None)
    else:
        append_and_expire(home, None)
    assert home.lake.table(TABLE).current_snapshot().parent_snapshot_id is None
    load_files(home, 1)
    assert_ids(home, *range(1, 7), *([] if rewrites else [500]))


# Prevents a mark that was removed together with other properties from going unnoticed (rule M).
def test_a_removed_mark_stops(home):
    load_files(home, 0)
    table = home.lake.table(TABLE)
    marks = [key for key in table.properties if key.startswith("sluice.ingestion.")]
    assert len(marks) == 1 and json.loads(table.properties[marks[0]])["ledger"]
    home.lake.sql(f"alter table local.{TABLE} unset tblproperties ('{marks[0]}')")
    assert_stops(home, TABLE)


# Prevents a second home with the same catalog from loading the same files again (rule M, another ledger).
def test_another_home_with_the_same_catalog_stops(home):
    load_files(home, 0)
    home.write("sluice.yaml", f"""
catalogs:
  local: {{type: sql, uri: "sqlite:{home.folder}/.sluice/catalog.db", warehouse: "{home.folder}/warehouse"}}
""")  # fmt: skip
    before = home.lake.table(TABLE).metadata_location
    outcome = home.run("load", "in", "--table", TABLE, "--home", "other", code=1)
    assert "ledger" in outcome.text and TABLE in outcome.text, outcome
    assert home.lake.table(TABLE).metadata_location == before


# Prevents a ledger restored from a backup from loading a second time what the table holds already (rule M, seq above ours).
def test_ledger_from_a_backup_stops(home):
    load_files(home, 0)
    shutil.copytree(home.folder / ".sluice", home.folder / "backup")
    load_files(home, 1)
    for name in LEDGER_FILES:
        (home.folder / ".sluice" / name).unlink(missing_ok=True)
        if (home.folder / "backup" / name).exists():
            shutil.copy(home.folder / "backup" / name, home.folder / ".sluice")
    before = home.lake.table(TABLE).metadata_location
    outcome = home.run("load", "in", "--table", TABLE, code=1)
    assert "older than the table" in outcome.text, outcome
    assert home.lake.table(TABLE).metadata_location == before
    assert_ids(home, *range(1, 7))


# Prevents a lost ledger from doubling the whole table.
def test_a_lost_ledger_stops(home):
    load_files(home, 0)
    for name in LEDGER_FILES:
        (home.folder / ".sluice" / name).unlink(missing_ok=True)
    outcome = home.run("load", "in", "--table", TABLE, code=1)
    assert "ledger" in outcome.text, outcome
    assert_ids(home, 1, 2, 3)


# Prevents loads that work only into tables that we made: types, partitions and names of others are taken as they are.
@pytest.mark.parametrize("maker", ["spark", "pyiceberg"])
def test_loads_into_tables_that_others_made(home, maker):
    home.lake.warehouse.mkdir()
    (home.folder / ".sluice").mkdir()
    if maker == "spark":
        home.lake.sql("create namespace local.bronze")
        home.lake.sql(f"create table local.{TABLE} (id int, name string, at timestamp, price decimal(8, 2)) using iceberg "
                      "partitioned by (days(at), bucket(4, id)) tblproperties ('write.parquet.compression-codec' = 'gzip')")  # fmt: skip
    else:
        home.lake.pyiceberg.create_namespace("bronze")
        schema = pa.schema([("id", pa.int32()), ("name", pa.string()), ("at", pa.timestamp("us", tz="UTC")), ("price", pa.decimal128(8, 2))])
        home.lake.pyiceberg.create_table(TABLE, schema=schema)
    rows = [{"id": number, "name": f"n{number}", "at": f"2024-02-{number + 10}T00:00:00Z", "price": f"{number}.25"} for number in range(1, 6)]
    home.write_rows("in/a.json", rows)
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (5, 0)
    if maker == "spark":
        home.lake.sql(f"insert into local.{TABLE} (id, name) values (6, 'n6')")
    else:
        home.lake.table(TABLE).append(pa.Table.from_pylist([{"id": 6, "name": "n6"}], schema=pa.schema([("id", pa.int32()), ("name", pa.string())])))
    home.write_rows("in/b.json", numbered(1, 7))
    home.load("in", "--table", TABLE)
    home.lake.assert_judges_agree(TABLE, numbered(7), [("id", ">", 5), ("name", "==", "n3")])
    assert sorted(row["id"] for row in home.lake.rows(TABLE, ("at", "null"))) == [6, 7]


# Prevents a thousand small loads from leaving a thousand manifests that every reader must open.
def test_many_loads_leave_few_manifests(home):
    home.write_rows("in/0.json", numbered(1))
    home.load("in", "--table", TABLE)
    home.lake.sql(f"alter table local.{TABLE} set tblproperties ('commit.manifest.min-count-to-merge' = '5')")
    for number in range(1, 25):
        home.write_rows(f"in/{number}.json", numbered(1, 1 + number))
        home.load("in", "--table", TABLE)
    table = home.lake.table(TABLE)
    assert len(table.inspect.manifests()) <= 5
    assert home.lake.count(TABLE) == 25 and table.current_snapshot().summary["total-records"] == "25"


# Prevents rows in a table whose version we would write wrongly, and a refusal that names no way out.
@pytest.mark.parametrize(("version", "way_out"), [("1", "upgrade it first"), ("3", "load into a table of format version 2")])
def test_tables_of_other_versions_are_refused(home, version, way_out):
    load_files(home, 0)  # makes the catalog
    columns = "(id bigint, name string) using iceberg"
    home.lake.sql(f"create table local.bronze.other {columns} tblproperties ('format-version' = '{version}')")
    before = home.lake.table("bronze.other").metadata_location
    outcome = home.run("load", "in", "--table", "bronze.other", code=1)
    assert f"format version {version}" in outcome.text and way_out in outcome.text, outcome
    assert home.lake.table("bronze.other").metadata_location == before


# Prevents a table that asks for hashed prefixes from getting none, or files there that other programs do not find.
def test_hashed_prefixes_are_read_by_everybody(home):
    load_files(home, 0)
    wanted = {"write.object-storage.enabled": "true", "write.object-storage.partitioned-paths": "false"}
    home.lake.pyiceberg.create_table("bronze.hashed", schema=SCHEMA, properties=wanted)
    home.load("in", "--table", "bronze.hashed")
    home.lake.assert_judges_agree("bronze.hashed", numbered(3), [("id", "==", 2)])
    (task,) = home.lake.table("bronze.hashed").scan().plan_files()
    assert re.search(r"/data/[01]{4}/[01]{4}/[01]{4}/[01]{8}/[0-9a-f-]{36}/[0-9a-f-]{36}\.parquet$", task.file.file_path)
