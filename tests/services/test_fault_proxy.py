"""The fault proxy does what its faults are called, else the sweeps that stand on it prove nothing."""

import dataclasses
import io
import time
import uuid
from http.client import HTTPConnection, HTTPException, IncompleteRead

import psycopg2
import pytest

import fault_proxy
from fault_proxy import Fault, FaultProxy


@pytest.fixture
def http(moto_server):
    proxy = FaultProxy("127.0.0.1", int(moto_server.endpoint.rpartition(":")[2]), "http")
    yield proxy
    proxy.close()


@pytest.fixture
def bucket(moto_server):
    return moto_server.make_bucket(f"faults-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def tcp(postgres):
    proxy = FaultProxy(postgres.host, postgres.port, "postgres")
    yield proxy
    proxy.close()


def asked(proxy, method, path, body=None):
    """(status, body) of one request over a new connection."""
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def signed(proxy, server, bucket, key):
    """The path of a GET with a signature for the proxy's address."""
    client = dataclasses.replace(server, endpoint=proxy.url).client
    return client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}).removeprefix(proxy.url)


def broken(proxy, *request):
    with pytest.raises((OSError, HTTPException)) as caught:
        asked(proxy, *request)
    return caught.value


# Prevents a proxy that changes what it passes on, and one that counts wrongly: then "at every request" is not every request.
def test_without_a_fault_it_is_not_there(http, moto_server, bucket):
    body = bytes(range(256)) * 1024
    one = signed(http, moto_server, bucket, "one")
    assert asked(http, "PUT", f"/{bucket}/one", body)[0] == 200
    assert asked(http, "GET", one) == (200, body)
    assert asked(http, "HEAD", one)[1] == b""
    assert asked(http, "GET", "/no-such-bucket")[0] in (403, 404)
    assert http.plan() == [f"PUT /{bucket}/one", f"GET {one}", f"HEAD {one}", "GET /no-such-bucket"]


# Prevents faults that are milder or harsher than their name: whether the request was carried out is the whole difference.
@pytest.mark.parametrize("kind, carried_out", [("reset", False), ("500", False), ("503", False), ("lost answer", True), ("truncated", True), ("delayed", True)])
def test_faults_of_http(http, moto_server, bucket, kind, carried_out):
    http.plan(Fault(kind, 2))
    asked(http, "PUT", f"/{bucket}/before", b"x")
    began = time.monotonic()
    if kind in ("500", "503", "delayed"):
        assert asked(http, "PUT", f"/{bucket}/hit", b"y")[0] == {"delayed": 200}.get(kind) or int(kind)
        assert (time.monotonic() - began >= fault_proxy.DELAY_S) == (kind == "delayed")
    else:
        broken(http, "PUT", f"/{bucket}/hit", b"y")
    asked(http, "PUT", f"/{bucket}/after", b"z")
    assert http.fired == 1
    keys = [one["Key"] for one in moto_server.client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["after", "before"] + ["hit"] * carried_out


# Prevents a truncated body that arrives whole, or not at all.
def test_a_truncated_body_arrives_in_part(http, moto_server, bucket):
    asked(http, "PUT", f"/{bucket}/large", b"0123456789" * 100_000)
    large = signed(http, moto_server, bucket, "large")
    http.plan(Fault(fault_proxy.TRUNCATED, 1))
    assert isinstance(broken(http, "GET", large), IncompleteRead | OSError)
    assert asked(http, "GET", large) == (200, b"0123456789" * 100_000)


# Prevents a lost answer of PostgreSQL that was never asked, and a reset that came too late.
@pytest.mark.parametrize("kind, carried_out", [("reset", False), ("lost answer", True), ("truncated", True), ("delayed", True)])
def test_faults_of_postgres(tcp, postgres, kind, carried_out):
    postgres.query("create table t (x int)")
    connection = psycopg2.connect(postgres.uri.replace(f":{postgres.port}/", f":{tcp.port}/"))
    connection.autocommit = True
    cursor = connection.cursor()
    tcp.plan(Fault(kind, 2))
    cursor.execute("insert into t values (1)")
    if kind == "delayed":
        cursor.execute("insert into t values (2)")
    else:
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("insert into t values (2)")
    assert tcp.fired == 1 and tcp.requests == ["insert into t values (1)", "insert into t values (2)"]
    assert [row["x"] for row in postgres.query("select x from t order by x")] == [1] + [2] * carried_out


# Prevents a proxy that waits for ever in the middle of a COPY, which asks for more before it is done.
def test_a_copy_whose_answer_is_lost(tcp, postgres):
    postgres.query("create table t (x int)")
    cursor = psycopg2.connect(postgres.uri.replace(f":{postgres.port}/", f":{tcp.port}/")).cursor()
    cursor.execute("begin")
    tcp.plan(Fault("lost answer", 1))
    with pytest.raises(psycopg2.OperationalError):
        cursor.copy_expert("copy t from stdin", io.StringIO("1\n2\n"))
    assert tcp.fired == 1
