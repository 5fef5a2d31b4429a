"""Every request to S3, to the REST catalog and to PostgreSQL fails in every way: rows exactly once, no orphan, no hung run.

A life is short: two files are loaded while one request fails; then a run without faults finishes what is open, of all lives together. `make
test` takes every request in turn with one of the faults (SLUICE_TEST_SEED says which, and plays it again), `make test-all` every request with every fault.
"""

import os
import random
import subprocess
import time
import uuid
from urllib.parse import urlsplit

import pytest
import yaml

from fault_proxy import HTTP_FAULTS, TCP_FAULTS, Fault, FaultProxy
from lakes import PostgresLake, RestLake, SqliteLake, unreferenced
from program import numbered_json
from stack import CATALOG, environment_of

LONG = os.environ.get("SLUICE_TEST_LONG") == "1"
RUN_S_MAX = 60
FILES, ROWS_PER_FILE = 2, 3
ROWS = FILES * ROWS_PER_FILE


class Life:
    """An ingestion, a table and a bucket prefix of its own on shared servers, some of them behind a proxy."""

    def __init__(self, home, world):
        self.home, self.world = home, world
        self.name = f"life_{uuid.uuid4().hex[:12]}"
        self.table = f"faults.{self.name}"
        for number in range(FILES):
            rows = numbered_json(ROWS_PER_FILE, 1 + number * ROWS_PER_FILE)
            world.s3.client.put_object(Bucket=world.bucket, Key=f"{self.name}/in/{number}.json", Body=rows.encode())
        source = {"id": "main", "paths": [f"s3://{world.bucket}/{self.name}/in/*.json"], **world.store}
        self.ingestion = {"source": source, "table": f"{CATALOG}.{self.table}"}

    def run(self, code=None):
        return run_all(self.home, self.world, [self], code)

    def check(self, what):
        """After a run without faults everything is there once, and nothing else is."""
        rows = self.world.lake.rows(self.table)
        assert sorted(row["id"] for row in rows) == list(range(1, ROWS + 1)), what
        assert not (left := unreferenced(self.world.lake, self.table)), f"{what}: orphans {left}"


def run_all(home, world, lives, code=0):
    """One process runs these ingestions, one after the other."""
    home.write("sluice.yaml", yaml.safe_dump({**world.settings, "ingestions": {life.name: life.ingestion for life in lives}}))
    which = "--all" if len(lives) > 1 else next(iter(lives)).name
    try:
        return home.run("run", which, "--json", code=code, timeout=RUN_S_MAX + len(lives))
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{which} hangs") from None


class World:
    """Which server stands behind the proxy; what is not looked at is a local file, for it is quicker."""

    def __init__(self, behind, request, home):
        self.s3 = request.getfixturevalue("s3_server")
        self.bucket = self.s3.make_bucket(f"faults-{uuid.uuid4().hex[:8]}")
        self.store = {**self.s3.properties, "s3.secret-access-key": "${env:TEST_S3_SECRET}"}
        self.faults = HTTP_FAULTS
        warehouse = f"s3://{self.bucket}/warehouse"
        ledger, catalog = "sqlite:ledger.db", {"type": "sql", "uri": "sqlite:catalog.db", "warehouse": warehouse}
        self.lake = SqliteLake(home.folder / "catalog.db", self.s3, warehouse, CATALOG)
        home.extra_environment = {"TEST_S3_SECRET": self.s3.secret_key}
        if behind == "s3":
            self.proxy = http_proxy(self.s3.endpoint)
            self.store["s3.endpoint"] = self.proxy.url
        elif behind == "catalog":
            rest_catalog = request.getfixturevalue("rest_catalog")
            self.proxy = http_proxy(rest_catalog.uri)
            self.lake = RestLake(rest_catalog, self.s3, CATALOG)
            catalog = {"type": "rest", "uri": self.proxy.url, "warehouse": rest_catalog.warehouse}
        else:
            postgres = request.getfixturevalue("postgres")
            self.proxy, self.faults = FaultProxy(postgres.host, postgres.port, "postgres"), TCP_FAULTS
            self.lake = PostgresLake(postgres, self.s3, warehouse, CATALOG)
            home.extra_environment = environment_of(self.s3, postgres)
            ledger = f"postgresql://{postgres.user}:${{env:TEST_POSTGRES_PASSWORD}}@127.0.0.1:{self.proxy.port}/{postgres.database}"
            catalog = {"type": "sql", "uri": ledger, "warehouse": warehouse}
        self.settings = {"ledger": ledger, "catalogs": {CATALOG: {**catalog, **self.store}}}


def http_proxy(url):
    return FaultProxy(urlsplit(url).hostname, urlsplit(url).port, "http")


@pytest.fixture(params=["s3", "catalog", "postgres"])
def world(request, home):
    one = World(request.param, request, home)
    yield one
    one.proxy.close()


# Prevents every loss, doubling, orphan and endless wait that a failing network or server can cause, the lost answer of a request that
# was carried out above all.
def test_every_request_fails_in_every_way(world, home):
    seed = int(os.environ.get("SLUICE_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SLUICE_TEST_SEED={seed}")
    lives = {life: f"{life.name}: without a fault" for life in (Life(home, world), Life(home, world))}
    for life in lives:  # the first one makes schemas and namespaces
        world.proxy.plan()
        life.run(code=0)
    requests = world.proxy.plan()
    numbers = range(1, len(requests) + 1)
    chance = random.Random(seed)
    cases = [(number, kind) for number in numbers for kind in (world.faults if LONG else [chance.choice(world.faults)])]
    fired = 0
    for number, kind in cases:
        life = Life(home, world)
        world.proxy.plan(Fault(kind, number))
        life.run()
        fired += world.proxy.fired
        asked = world.proxy.plan()
        lives[life] = f"{life.name}: {kind} at request {number} ({asked[number - 1] if number <= len(asked) else 'not reached'}), seed {seed}"
    outcome = run_all(home, world, lives, code=None)
    assert outcome.code == 0, "\n".join([f"the run after the faults: {outcome}", *lives.values()])
    for life, what in lives.items():
        life.check(what)
    assert fired >= len(cases) * 0.9, f"only {fired} of {len(cases)} faults happened: the test proves little"


# Prevents a run that gives up, or never ends, when a server is down for good: it says what is down, and the next run loads everything.
def test_a_server_that_is_down(world, home):
    Life(home, world).run(code=0)
    life = Life(home, world)
    world.proxy.plan(Fault("reset", 1, count=1_000_000))
    outcome = life.run()
    assert outcome.code in (1, 2) and "127.0.0.1" in outcome.text, outcome
    world.proxy.plan()
    life.run(code=0)
    life.check("the server is back")
