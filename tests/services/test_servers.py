"""The real servers that other tests stand on: they start, do what they are for, and go when the tests go."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from lakes import PostgresLake, RestLake
from server_process import Host, started_at, wait_until

TESTS = Path(__file__).resolve().parents[1]
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


def put(client, bucket, *keys):
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")


# Prevents a loss of data races that tests believe in: without conditional writes our commits on S3 would be judged by a server that
# lets two writers win.
@pytest.mark.parametrize("which", ["s3_server", "moto_server"])
def test_s3_servers_refuse_to_overwrite(request, which):
    s3 = request.getfixturevalue(which)
    bucket = s3.make_bucket(f"refuse-{uuid.uuid4().hex[:8]}")
    s3.client.put_object(Bucket=bucket, Key="one", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.client.put_object(Bucket=bucket, Key="one", Body=b"second", IfNoneMatch="*")
    assert s3.client.get_object(Bucket=bucket, Key="one")["Body"].read() == b"first"


# Prevents a test of odd listings that runs on a server without them: one server lists in byte order, the other does not.
def test_one_s3_server_lists_in_byte_order_and_one_does_not(s3_server, moto_server):
    listings = []
    for s3 in (s3_server, moto_server):
        bucket = s3.make_bucket(f"order-{uuid.uuid4().hex[:8]}")
        put(s3.client, bucket, "a/b", "a-b")
        listings.append([one["Key"] for one in s3.client.list_objects_v2(Bucket=bucket)["Contents"]])
    assert listings[1] == ["a-b", "a/b"]
    if os.environ.get("S3_SERVER", "seaweedfs") == "seaweedfs":
        assert listings[0] == ["a/b", "a-b"]


# Prevents tests of ordering that pass by luck: databases sort like a language here, not like bytes.
def test_postgres_sorts_like_a_language(postgres):
    rows = postgres.query("select x from (values ('B'), ('a'), ('_b'), ('C')) v(x) order by x")
    assert [row["x"] for row in rows] == ["_b", "a", "B", "C"]


# Prevents two tests from sharing a database through the fixture.
def test_each_test_has_an_empty_database(postgres, postgres_server):
    assert postgres.database != postgres_server.database
    assert postgres.query("select count(*) n from information_schema.tables where table_schema = 'public'") == [{"n": 0}]


# Prevents judges that cannot read what lies on servers: their silence about our tables there would mean nothing.
@pytest.mark.parametrize("kind", ["postgres", "rest"])
def test_judges_read_catalogs_on_servers(kind, request, s3_server):
    if kind == "postgres":
        lake = PostgresLake(request.getfixturevalue("postgres"), s3_server, f"s3://{s3_server.bucket}/{uuid.uuid4().hex}")
    else:
        lake = RestLake(request.getfixturevalue("rest_catalog"), s3_server)
    namespace = f"n{uuid.uuid4().hex[:8]}"
    catalog = lake.pyiceberg
    catalog.create_namespace(namespace)
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
    catalog.create_table(f"{namespace}.events", schema=schema).append(pa.Table.from_pylist(ROWS, schema=schema))
    lake.assert_judges_agree(f"{namespace}.events", ROWS, [("id", ">", 1), ("name", "null")])
    lake.sql(f"insert into {lake.name}.{namespace}.events values (3, 'spark')")
    assert lake.count(f"{namespace}.events") == 3


# Prevents an end-to-end test that never reaches Spark through Spark Connect, as the platform's users do.
def test_spark_connect_answers_its_client(spark_connect, lake):
    from pyspark.sql.connect.session import SparkSession

    lake.warehouse.mkdir()
    lake.pyiceberg.create_namespace("bronze")
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
    lake.pyiceberg.create_table("bronze.events", schema=schema).append(pa.Table.from_pylist(ROWS, schema=schema))
    session = lake.teach(SparkSession.builder.remote(spark_connect).create())
    try:
        row = session.sql("select count(*) n, count(distinct id) ids, min(id) low, max(id) high from local.bronze.events").collect()[0]
        assert (row.n, row.ids, row.low, row.high) == (2, 2, 1, 2)
    finally:
        session.stop()


# Prevents servers that outlive a test run which was killed: the next run would find ports, memory and disks taken.
def test_servers_die_with_a_killed_run(tmp_path):
    script = (
        "import os, sys, json, time; sys.path.insert(0, sys.argv[1]); import servers; from server_process import Host;"
        "host = Host.temporary(); started = [servers.start_moto(host), servers.start_postgres(host)];"
        "print(json.dumps([str(host.folder), [one.process.pid for one in started]]), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(TESTS)], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, pids = json.loads(done.stdout)
    wait_until(lambda: all(started_at(pid) is None for pid in pids), "the servers of a killed run to end", 20)
    Host.temporary().stop()
    assert not Path(folder).exists(), "the next run removes what the killed one left"
