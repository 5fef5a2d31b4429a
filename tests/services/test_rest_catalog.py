"""Loads into a REST catalog: Apache's own server over a local warehouse, and the one that SeaweedFS brings along."""

import os
import subprocess
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.rest import RestCatalog

import lakes
import servers
from fault_proxy import ERROR_500, LOST_ANSWER, RESET, TRUNCATED, Fault, FaultProxy
from judges import Lake
from program import numbered
from server_process import Host

BUILD = Path(os.environ.get("SLUICE_BINARY", Path(__file__).resolve().parents[2] / "build/release/sluice")).parent
TIMEOUT_S = 300
ALWAYS = 10**9
NO_S3 = servers.S3("http://127.0.0.1:1", "none")
CONFIG = """
catalogs:
  lake: {{type: rest, uri: "{uri}", warehouse: "{warehouse}"}}
ingestions:
  events:
    source: {{paths: [in]}}
    table: lake.{namespace}.events
    on_change: append
"""


class RestHome:
    """A home whose sluice.yaml names a catalog server, reached through a proxy that can fail."""

    def __init__(self, home, server, proxy):
        self.home, self.proxy = home, proxy
        self.namespace = f"ns_{uuid.uuid4().hex[:8]}"
        self.table = f"{self.namespace}.events"
        home.write("sluice.yaml", CONFIG.format(uri=proxy.url, warehouse=server.warehouse, namespace=self.namespace))
        self.lake = RestLake(server.uri)

    def put(self, name, rows):
        self.home.write_rows(f"in/{name}.json", rows)

    def run(self, code=0):
        return self.home.run("run", "events", "--json", code=code).json

    def ids(self):
        return sorted(row["id"] for row in self.lake.rows(self.table))


class RestLake(Lake):
    def __init__(self, uri):
        self.uri = uri

    @property
    def pyiceberg(self):
        return RestCatalog(self.name, uri=self.uri)


@pytest.fixture(scope="module")
def local_rest_catalog(tmp_path_factory):
    host = Host.temporary()
    yield servers.start_rest_catalog(host, NO_S3, f"file://{tmp_path_factory.mktemp('warehouse')}")
    host.stop()


@pytest.fixture
def rest_home(home, local_rest_catalog):
    port = int(local_rest_catalog.uri.rpartition(":")[2])
    proxy = FaultProxy("127.0.0.1", port, "http")
    yield RestHome(home, local_rest_catalog, proxy)
    proxy.close()


# Prevents tables in a REST catalog that others cannot read, a second load of the same files, and commits that overwrite a stranger's.
def test_loads_evolves_and_shares_a_table(rest_home):
    rest_home.put("a", numbered(3))
    assert rest_home.run()["metrics"]["records_written"] == 3
    assert rest_home.run()["metrics"]["files_processed"] == 0
    rest_home.put("b", [{"id": 4, "name": "n4", "city": "Bern"}])
    run = rest_home.run()
    assert run["metrics"]["files_processed"] == 1
    assert any("city" in change for change in run["schema_changes"]), run
    strange = pa.Table.from_pylist([{"id": 5, "name": "theirs", "city": None, "_source_file": None}], schema=rest_home.lake.table(rest_home.table).schema().as_arrow())
    rest_home.lake.table(rest_home.table).append(strange)
    rest_home.put("c", numbered(2, 6))
    rest_home.run()
    rows = numbered(4) + [{"id": 5, "name": "theirs"}] + numbered(2, 6)
    rest_home.lake.assert_judges_agree(rest_home.table, rows, [("id", ">", 4), ("name", "==", "n7")], judges=("pyiceberg", "duckdb"))
    shown = rest_home.home.run("table", f"lake.{rest_home.table}").text
    assert "7 rows" in shown
    assert len(rest_home.home.run("table", f"lake.{rest_home.table}", "--json").json["snapshots"]) == 4
    checks = rest_home.home.run("check", "--json").json["checks"]
    assert all(one["ok"] for one in checks), checks


# Prevents a run that says it went well without its catalog, files that are lost or doubled by the outage, and secrets in what is said.
def test_a_catalog_that_is_down_fails_the_run_and_nothing_else(rest_home):
    rest_home.put("a", numbered(3))
    rest_home.proxy.plan(Fault(RESET, 1, ALWAYS))
    outcome = rest_home.home.run("run", "events", code=1)
    assert "/v1/config" in outcome.text or rest_home.proxy.url in outcome.text, outcome
    assert rest_home.home.ledger("select status from runs") == [{"status": "FAILED"}]
    assert rest_home.home.run("check", code=1).text.count("FAILED") == 1
    rest_home.proxy.plan()
    assert rest_home.run()["metrics"]["records_written"] == 3
    assert rest_home.ids() == [1, 2, 3]


# Prevents rows that are doubled or lost by one request to the catalog that failed, was carried out without an answer, or was cut off.
@pytest.mark.parametrize("kind", [LOST_ANSWER, ERROR_500, TRUNCATED])
def test_each_request_to_the_catalog_fails_once(rest_home, kind):
    expected = []
    rest_home.put("first", numbered(1, 1000))
    rest_home.proxy.plan()
    rest_home.run()
    expected.append(1000)
    number = 0
    while True:
        number += 1
        rest_home.put(f"f{number}", [{"id": number, "name": "x", f"c{number}": "new"}])
        rest_home.proxy.plan(Fault(kind, number))
        rest_home.run(code=None)
        fired = rest_home.proxy.fired
        rest_home.proxy.plan()
        rest_home.run()
        expected.append(number)
        assert rest_home.ids() == sorted(expected), f"{kind} at request {number}"
        if not fired:
            break
    assert number > 4
    states = rest_home.home.states()
    assert states == {"SUCCESS": len(expected)}, states


# Prevents a client that works with one server only: OAuth2 or SigV4, a prefix, no list of endpoints, a creation that is answered twice.
@pytest.mark.parametrize("auth", ["oauth2", "sigv4"])
def test_conformance_over_seaweedfs(s3_server, tmp_path, auth):
    if not s3_server.catalog_uri:
        pytest.skip("this S3 server has no catalog")
    properties = {
        "oauth2": {"credential": f"{s3_server.access_key}:{s3_server.secret_key}"},
        "sigv4": {
            "rest.sigv4-enabled": "true", "rest.signing-name": "s3tables", "rest.signing-region": s3_server.region,
            "rest.access-key-id": s3_server.access_key, "rest.secret-access-key": s3_server.secret_key,
        },
    }[auth]  # fmt: skip
    environment = {
        **os.environ,
        "SLUICE_TEST_REST": s3_server.catalog_uri,
        "SLUICE_TEST_REST_WAREHOUSE": f"s3://{servers.SEAWEEDFS_TABLE_BUCKET}",
        "SLUICE_TEST_REST_PROPERTIES": "\n".join(f"{name}={value}" for name, value in properties.items()),
    }
    command = [BUILD / "iceberg_test", "--gtest_filter=*CatalogConformance*/Rest"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout[-8000:]
    assert " 0 tests" not in done.stdout, done.stdout[-2000:]


S3_CONFIG = """
catalogs:
  {name}:
    type: rest
    uri: "{uri}"
    warehouse: "{warehouse}"
{properties}
ingestions:
  events:
    source: {{paths: [in]}}
    table: {name}.{namespace}.events
    on_change: append
"""


def s3_home(home, uri, warehouse, properties):
    namespace = f"ns_{uuid.uuid4().hex[:8]}"
    lines = "\n".join(f'    {name}: "{value}"' for name, value in properties.items())
    home.write("sluice.yaml", S3_CONFIG.format(name="lake", uri=uri, warehouse=warehouse, properties=lines, namespace=namespace))
    return f"{namespace}.events"


def load_twice(home):
    home.write_rows("in/a.json", numbered(3))
    assert home.run("run", "events", "--json").json["metrics"]["records_written"] == 3
    home.write_rows("in/b.json", [{"id": 4, "name": "n4", "city": "Bern"}])
    assert home.run("run", "events", "--json").json["metrics"]["files_processed"] == 1


# Prevents a table in a bucket that the catalog's server finds and we do not, or the other way round.
def test_loads_into_a_bucket(home, rest_catalog, s3_server):
    table = s3_home(home, rest_catalog.uri, rest_catalog.warehouse, s3_server.properties)
    load_twice(home)
    lake = lakes.RestLake(rest_catalog, s3_server)
    assert lake.table(table).location().startswith("s3://")
    lake.assert_judges_agree(table, numbered(4), [("id", ">", 2)], judges=("pyiceberg", "duckdb"))


class VendingS3(servers.S3):
    """The catalog's server gives its clients the keys that it uses itself."""

    @property
    def properties(self):
        return {**super().properties, "include-credentials": "true"}


# Prevents that credentials which the catalog gives out stop at the catalog's client: sluice.yaml holds no key here.
def test_loads_with_the_credentials_of_the_catalog(home, s3_server):
    s3 = VendingS3(s3_server.endpoint, s3_server.bucket)
    host = Host.temporary()
    try:
        catalog = servers.start_rest_catalog(host, s3, f"s3://{s3_server.bucket}/vended")
        place = {name: value for name, value in s3_server.properties.items() if "key" not in name}
        table = s3_home(home, catalog.uri, catalog.warehouse, place)
        load_twice(home)
        assert lakes.RestLake(catalog, s3_server).count(table) == 4
        said = home.run("table", f"lake.{table}", "--json").text + home.run("check", "--json").text
        assert s3.secret_key not in said
        assert s3.secret_key.encode() not in (home.folder / ".sluice/ledger.db").read_bytes()
    finally:
        host.stop()


# Prevents a server that is strict about what it is sent (SeaweedFS checks who we are and where a table lies) from refusing real loads.
def test_loads_into_the_catalog_of_seaweedfs(home, s3_server):
    if not s3_server.catalog_uri:
        pytest.skip("this S3 server has no catalog")
    warehouse = f"s3://{servers.SEAWEEDFS_TABLE_BUCKET}"
    credential = f"{s3_server.access_key}:{s3_server.secret_key}"
    table = s3_home(home, s3_server.catalog_uri, warehouse, {**s3_server.properties, "credential": credential})
    load_twice(home)
    catalog = RestCatalog("lake", uri=s3_server.catalog_uri, warehouse=warehouse, credential=credential, **s3_server.properties)
    rows = catalog.load_table(table).scan().to_arrow().to_pylist()
    assert sorted(row["id"] for row in rows) == [1, 2, 3, 4]
    ledger = (home.folder / ".sluice/ledger.db").read_bytes()
    assert s3_server.secret_key.encode() not in ledger
