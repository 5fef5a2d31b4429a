"""Several processes on one PostgreSQL ledger: servers that are killed, servers and command-line workers at once, a database that
restarts."""

import os
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import servers
from lakes import unreferenced
from program import Home, numbered_json
from server_process import Host, wait_until
from service import ENDED, Service
from stack import Stack, environment_of, lake_of, settings_of

KILLS = 100 if os.environ.get("SLUICE_TEST_LONG") == "1" else 30
ROWS_PER_FILE = 500


@pytest.fixture
def two_servers(program, tmp_path, s3_server, postgres, rest_catalog):
    """Two services on one ledger and one catalog, and the stack as the first one's clients see it."""
    key = tmp_path / "key"
    settings, environment = settings_of("sql", s3_server, postgres, rest_catalog), {**environment_of(s3_server, postgres), "SLUICE_KEY_FILE": str(key)}
    both = [Service(program, tmp_path / f"server-{number}", settings, environment) for number in (1, 2)]
    both[0].start()
    yield Stack(s3_server, postgres, lake_of("sql", s3_server, postgres, rest_catalog), both[0], ""), both
    for service in both:
        service.kill()


@pytest.fixture
def bucket(s3_server):
    return s3_server.make_bucket(f"shared-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def table():
    return f"shared_{uuid.uuid4().hex[:8]}"


def ids(stack, table):
    return sorted(stack.lake.table(f"test_db.{table}").scan(selected_fields=("id",)).to_arrow()["id"].to_pylist())


def put_files(stack, bucket, first, count):
    """Files data-FIRST... with rows that continue each other."""
    with ThreadPoolExecutor(4) as pool:
        for number in range(first, first + count):
            pool.submit(stack.put, bucket, f"data-{number:04}.json", numbered_json(ROWS_PER_FILE, 1 + number * ROWS_PER_FILE))


# Prevents every kind of loss and doubling by the sudden death of the service, and a run that stays open for ever after it: a restarted
# server recovers it by itself.
def test_sigkill_of_the_service_at_random_moments(two_servers, bucket, table):
    stack, (service, _) = two_servers
    seed = int(os.environ.get("SLUICE_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SLUICE_TEST_SEED={seed}")
    dice = random.Random(seed)
    ingestion = service.create(stack.definition(bucket, table))
    put_files(stack, bucket, 0, 4)
    began = time.monotonic()
    service.run(ingestion)
    duration = time.monotonic() - began
    loaded, interrupted = 4, 0
    for _ in range(KILLS):
        put_files(stack, bucket, loaded, 4)
        loaded += 4
        run = service.trigger(ingestion)
        threading.Event().wait(dice.uniform(0, duration * 1.2))
        service.kill()
        service.start()
        wait_until(lambda: service.get(f"/runs/{run}")["status"] in ENDED, f"run {run} to end after a restart, seed {seed}", 60)
        interrupted += service.get(f"/runs/{run}")["status"] != "COMPLETED"
        service.run(ingestion)
        found = ids(stack, table)
        assert found == list(range(1, 1 + loaded * ROWS_PER_FILE)), f"{len(found)} rows, {len(set(found))} ids, seed {seed}"
    assert {one["status"] for one in service.files(ingestion)} == {"SUCCESS"}
    assert interrupted, "the service was never killed in time: the test proves nothing"
    assert not unreferenced(stack.lake, f"test_db.{table}"), f"seed {seed}"


# Prevents servers and workers that load a file twice, wait for each other for ever, or leave a file to the others when they share a ledger.
def test_two_servers_and_two_workers(two_servers, bucket, table, program, tmp_path):
    stack, (first, second) = two_servers
    second.start()
    # The command line works for the tenant "default".
    ingestion = first.create(stack.definition(bucket, table, batch={"files_max": 5}, tenant_id="default"))
    put_files(stack, bucket, 0, 40)
    homes = [Home(program, service.folder) for service in (first, second)]
    for home, service in zip(homes, (first, second), strict=True):
        home.extra_environment = service.environment
    started = first.trigger(ingestion)
    refused = second.call("POST", f"/api/v1/ingestions/{ingestion}/run")
    workers = [home.start("run", ingestion, "--json") for home in homes]
    outcomes = [home.finish(worker, ["run", ingestion]) for home, worker in zip(homes, workers, strict=True)]
    assert all(outcome.code == 0 for outcome in outcomes), "\n".join(map(str, outcomes))
    assert first.ended(started)["status"] == "COMPLETED"
    assert refused.status in (202, 409), refused
    if refused.status == 409:
        assert started in refused.body.decode(), "the answer names the run that is on"
    assert ids(stack, table) == list(range(1, 1 + 40 * ROWS_PER_FILE))
    # Who was not refused sees the same history, whichever server is asked.
    assert second.get(f"/ingestions/{ingestion}/runs") == first.get(f"/ingestions/{ingestion}/runs")


# Prevents a server that never comes back after its database restarted, and a run that loses or doubles what was in flight then.
def test_postgres_restarts_during_a_run(program, tmp_path, s3_server, bucket, table, rest_catalog):
    host = Host.temporary()
    try:
        postgres = servers.start_postgres(host)
        service = Service(program, tmp_path / "server", settings_of("sql", s3_server, postgres, rest_catalog), environment_of(s3_server, postgres)).start()
        stack = Stack(s3_server, postgres, lake_of("sql", s3_server, postgres, rest_catalog), service, "")
        ingestion = service.create(stack.definition(bucket, table, batch={"files_max": 3}))
        put_files(stack, bucket, 0, 30)
        run = service.trigger(ingestion)
        wait_until(lambda: service.processed(ingestion), "the first batch", 60)
        postgres.process.kill()
        servers.start_postgres(host, postgres.port)
        wait_until(service.ready, "the service to find its database again", 60)
        wait_until(lambda: service.get(f"/runs/{run}")["status"] in ENDED, "the run to end", 90)
        service.run(ingestion)
        assert ids(stack, table) == list(range(1, 1 + 30 * ROWS_PER_FILE))
        assert not unreferenced(stack.lake, f"test_db.{table}")
        service.kill()
    finally:
        host.stop()
