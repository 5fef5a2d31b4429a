"""Ledger and SQL catalog on a real PostgreSQL: workers that share it, die, lose their connections and their server."""

import json
import re
import signal
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

import servers
from fault_proxy import LOST_ANSWER, RESET, Fault, FaultProxy
from judges import CATALOG_NAME, Lake
from program import numbered
from server_process import Host, wait_until

TABLE = "bronze.events"
FILES, ROWS_PER_FILE = 300, 4
WORKERS = 4
LEASE_S = 60  # a worker that is not known to be dead is waited for so long


class LocalPostgresLake(Lake):
    """A SQL catalog in PostgreSQL whose warehouse is a local folder."""

    def __init__(self, postgres, warehouse):
        self.postgres, self.warehouse = postgres, Path(warehouse)

    @property
    def pyiceberg(self):
        uri = self.postgres.uri.replace("postgresql://", "postgresql+psycopg2://", 1)
        return SqlCatalog(self.name, uri=uri, warehouse=f"file://{self.warehouse}")

    @property
    def spark_settings(self):
        account = {"jdbc.user": self.postgres.user, "jdbc.password": self.postgres.password, "jdbc.schema-version": "V1"}
        return {"type": "jdbc", "uri": self.postgres.jdbc_uri, "warehouse": str(self.warehouse), **account}


def use(home, postgres, uri=None):
    """Puts ledger and catalog of a home into the database; the ledger is reached at `uri`."""
    home.postgres = postgres
    home.lake = LocalPostgresLake(postgres, home.folder / "warehouse")
    config = {
        "ledger": "${env:LEDGER}",
        "catalogs": {CATALOG_NAME: {"type": "sql", "uri": "${env:CATALOG}", "warehouse": "./warehouse"}},
        "ingestions": {"events": {"source": {"paths": ["in/*.json"]}, "table": f"{CATALOG_NAME}.{TABLE}", "batch": {"files_max": 20}, "on_change": "append"}},
    }
    home.write("sluice.yaml", json.dumps(config))
    home.extra_environment |= {"LEDGER": uri or postgres.uri, "CATALOG": postgres.uri}
    return home


@pytest.fixture
def shared(home, postgres):
    return use(home, postgres)


def write_files(home, first=0, count=FILES):
    for number in range(first, first + count):
        home.write_rows(f"in/{number:03}.json", numbered(ROWS_PER_FILE, 1 + number * ROWS_PER_FILE))


def states(home):
    return {row["status"]: row["n"] for row in home.postgres.query("select status, count(*) n from processed_files group by status")}


def assert_once(home, files=FILES):
    ids = home.lake.table(TABLE).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    assert sorted(ids) == list(range(1, 1 + files * ROWS_PER_FILE))
    assert states(home) == {"SUCCESS": files}


def run_json(home):
    return home.run("run", "events", "--json").json


# Prevents a ledger in PostgreSQL that forgets what it loaded, and one that people cannot read with psql.
def test_incremental_loads_and_a_readable_ledger(shared):
    write_files(shared, count=3)
    assert run_json(shared)["metrics"]["files_processed"] == 3
    write_files(shared, first=3, count=2)
    second = run_json(shared)["metrics"]
    assert (second["files_processed"], second["records_written"], second["files_unchanged"]) == (2, 2 * ROWS_PER_FILE, 3)
    assert run_json(shared)["metrics"]["files_processed"] == 0
    assert_once(shared, files=5)
    rows = shared.postgres.query(
        "select file_path, f.status, processed_at > discovered_at as later, b.target ->> 'table' as target, r.snapshots from processed_files f "
        "join batches b on b.id = f.batch_id join runs r on r.id = f.run_id order by processed_at, file_path"
    )
    assert [row["file_path"] for row in rows] == [f"file://{shared.folder}/in/{number:03}.json" for number in range(5)]
    assert all(row["later"] and row["status"] == "SUCCESS" and row["target"] == TABLE and len(row["snapshots"]) == 1 for row in rows)
    checked = shared.run("check", "--json")
    assert all(one["ok"] for one in checked.json["checks"])
    assert shared.postgres.password not in checked.text + json.dumps(shared.postgres.query("select definition, target from ingestions, batches"), default=str)


# Prevents files that two workers load, or none, when they share a ledger on a server; and reports that do not add up.
def test_four_workers_load_the_same_files(shared):
    write_files(shared)
    processes = [shared.start("run", "events", "--json") for _ in range(WORKERS)]
    outcomes = [shared.finish(process) for process in processes]
    assert [outcome.code for outcome in outcomes] == [0] * WORKERS, "\n".join(map(str, outcomes))
    assert_once(shared)
    metrics = [outcome.json["metrics"] for outcome in outcomes]
    assert sum(one["files_processed"] for one in metrics) == FILES, metrics
    assert sum(one["records_written"] for one in metrics) == FILES * ROWS_PER_FILE
    assert shared.postgres.query("select id from workers") == []


# Prevents a successor that waits for the lease of a worker which was killed, and one that loads its files again.
def test_a_killed_workers_batches_are_taken_over_at_once(shared):
    write_files(shared)
    run_json_tables(shared)
    first = shared.start("run", "events")
    wait_until(lambda: states(shared).get("PROCESSING"), "a batch in the worker's hands")
    first.send_signal(signal.SIGKILL)
    shared.finish(first)
    outcome = shared.run("run", "events", "--json", timeout=LEASE_S / 2)
    assert outcome.json["status"] == "COMPLETED"
    assert_once(shared)
    assert shared.postgres.query("select status from runs where status not in ('COMPLETED', 'FAILED')") == []


def run_json_tables(home):
    """Makes the ledger's tables, so that they can be asked."""
    home.run("load", "nothing-there", "--table", "x.y", "--allow-empty", code=None)
    home.run("status", code=None)


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may end. Returns (database, what starts it again)."""
    host = Host.temporary()
    server = servers.start_postgres(host)
    yield server, lambda: servers.start_postgres(host, port=server.port, password=server.password)
    host.stop()


# Prevents a run that fails because the server restarted under it, and rows that it writes twice then.
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_server_restarts_during_a_run(home, own_server, how):
    server, restart = own_server
    use(home, server)
    write_files(home)
    run_json_tables(home)
    running = home.start("run", "events", "--json")
    wait_until(lambda: states(home).get("SUCCESS"), "the first batch")
    getattr(server.process, how)()
    restart()
    outcome = home.finish(running)
    assert outcome.code == 0, outcome
    assert_once(home)


# Prevents a program that does not heed SIGTERM while its ledger is away (it would be killed in the middle of things a moment later), and
# rows that are lost or doubled by it.
def test_a_stop_does_not_wait_for_a_server_that_is_away(home, postgres):
    proxy = FaultProxy(postgres.host, postgres.port, "postgres")
    use(home, postgres, re.sub(r"@[^/]*/", f"@127.0.0.1:{proxy.port}/", postgres.uri))
    write_files(home)
    process = home.start("run", "events")
    wait_until(lambda: next((home.folder / "warehouse").rglob("*.parquet"), None) or process.poll() is not None, "the first batch")
    proxy.close()
    process.send_signal(signal.SIGTERM)
    stopped = home.finish(process)
    assert stopped.code == 130, stopped  # 1 after half a minute: "connection refused"
    use(home, postgres)
    run_json(home)
    assert_once(home)


# Prevents rows that are lost or doubled when the answer to any statement of the ledger gets lost, first of all that to COMMIT.
@pytest.mark.parametrize("kind", [LOST_ANSWER, RESET])
def test_connections_that_break_at_any_statement(home, postgres, kind):
    proxy = FaultProxy(postgres.host, postgres.port, "postgres")
    try:
        over = re.sub(r"@[^/]*/", f"@127.0.0.1:{proxy.port}/", postgres.uri)
        use(home, postgres, over)
        write_files(home, count=1)
        proxy.plan()
        assert run_json(home)["status"] == "COMPLETED"
        statements = len(proxy.requests)
        assert statements > 20
        loaded = 1
        for number in range(3, statements, 11):
            write_files(home, first=loaded, count=1)
            loaded += 1
            proxy.plan(Fault(kind, number))
            home.run("run", "events", "--json", code=None)
            proxy.plan()
            assert run_json(home)["status"] == "COMPLETED"
            assert_once(home, files=loaded)
    finally:
        proxy.close()


# Prevents a catalog in PostgreSQL that PyIceberg or Spark cannot use as theirs, in either direction.
def test_the_catalog_is_shared_with_pyiceberg_and_spark(shared):
    write_files(shared, count=2)
    run_json(shared)
    table = shared.lake.table(TABLE)
    table.append(table.scan().to_arrow().slice(0, 1))
    spark = shared.lake.spark
    assert spark.sql(f"select count(*) from {CATALOG_NAME}.{TABLE}").first()[0] == 2 * ROWS_PER_FILE + 1
    spark.sql(f"delete from {CATALOG_NAME}.{TABLE} where id > 0")
    write_files(shared, first=2, count=1)
    assert run_json(shared)["metrics"]["files_processed"] == 1
    ids = shared.lake.table(TABLE).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    assert sorted(ids) == list(range(1 + 2 * ROWS_PER_FILE, 1 + 3 * ROWS_PER_FILE))
