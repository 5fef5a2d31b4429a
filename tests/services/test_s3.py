"""Sources and warehouses on S3, with the real program against SeaweedFS (lists by folders, out of byte order) and moto (in byte order)."""

import dataclasses
import http.client
import json
import os
import sys
import threading
import uuid
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from archives import archive_of
from fault_proxy import FaultProxy
from lakes import SqliteLake, unreferenced
from program import numbered
from server_process import wait_until

JUDGES = ("pyiceberg", "duckdb")


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


class Bucket:
    """A bucket of its own on a server."""

    def __init__(self, s3):
        self.s3, self.client = s3, s3.client
        self.name = s3.make_bucket(f"s3-{uuid.uuid4().hex[:8]}")

    def put(self, key, rows):
        self.client.put_object(Bucket=self.name, Key=key, Body=lines(rows))

    def uri(self, key=""):
        return f"s3://{self.name}/{key}"

    def put_many(self, keys):
        """A row each, one after the other over one connection: boto3 takes much longer for a request."""
        endpoint = urlsplit(self.s3.endpoint)
        sign = S3SigV4Auth(Credentials(self.s3.access_key, self.s3.secret_key), "s3", self.s3.region).add_auth
        connection = http.client.HTTPConnection(endpoint.hostname, endpoint.port)
        for number, key in enumerate(keys, 1):
            request = AWSRequest("PUT", f"{self.s3.endpoint}/{self.name}/{quote(key)}", data=lines(numbered(1, number)))
            sign(request)
            connection.request("PUT", urlsplit(request.url).path, request.data, dict(request.headers.items()))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            response.read()
        connection.close()


@pytest.fixture(params=["s3_server", "moto_server"])
def bucket(request):
    return Bucket(request.getfixturevalue(request.param))


@pytest.fixture
def seaweed(s3_server):
    return Bucket(s3_server)


def use(home, s3):
    """The program and the judges find the server: through AWS's own variables, as its users have them."""
    home.extra_environment = {**s3.environment, "AWS_ENDPOINT_URL": s3.endpoint}
    return home


def lake_of(home, bucket):
    return SqliteLake(home.folder / ".sluice/catalog.db", bucket.s3, bucket.uri("wh"))


# Prevents tables on S3 that only we can read, files that are loaded twice, and objects that nobody names.
def test_from_s3_into_an_s3_warehouse(home, bucket):
    use(home, bucket.s3)
    bucket.put("in/a.json", numbered(30))
    bucket.put("in/sub/b.json", numbered(20, 31))
    first = home.load(bucket.uri("in/"), "--table", "shop.orders", "--warehouse", bucket.uri("wh"))
    assert (first["metrics"]["files_processed"], first["metrics"]["records_written"]) == (2, 50)
    bucket.put("in/c.json", numbered(15, 51))
    second = home.load(bucket.uri("in/"), "--table", "shop.orders", "--warehouse", bucket.uri("wh"))
    assert (second["metrics"]["files_processed"], second["metrics"]["records_written"]) == (1, 15)
    lake = lake_of(home, bucket)
    lake.assert_judges_agree("shop.orders", numbered(65), [("id", ">", 60)], judges=JUDGES)
    assert unreferenced(lake, "shop.orders") == []


# Prevents the default of other machines: an endpoint that is given by a flag, keys from a profile, a warehouse on the local disk.
def test_endpoint_by_flag_and_keys_from_a_profile(home, seaweed):
    seaweed.put("in/a.json", numbered(3))
    credentials = home.write("aws", f"[lake]\naws_access_key_id = {seaweed.s3.access_key}\naws_secret_access_key = {seaweed.s3.secret_key}\n")
    home.extra_environment = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_PROFILE": "lake", "AWS_EC2_METADATA_DISABLED": "true"}
    run = home.load(seaweed.uri("in/*.json"), "--s3-endpoint", seaweed.s3.endpoint, "--table", "shop.orders")
    assert run["metrics"]["records_written"] == 3
    home.lake.assert_judges_agree("shop.orders", numbered(3), judges=JUDGES)


# Prevents files lost at the border of two pages, and files taken for new because a listing came in another order than the ledger's.
def test_more_than_one_page(home, bucket):
    use(home, bucket.s3)
    # "d/..." comes before "d-..." where folders are walked, and after it in byte order.
    keys = [f"in/{folder}{number:04}.json" for number in range(400) for folder in ("d/", "d-", "e")]
    bucket.put_many(keys)
    run = home.load(bucket.uri("in/**/*.json"), "--table", "t.many")
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"]) == (1200, 1200)
    again = home.load(bucket.uri("in/**/*.json"), "--table", "t.many")
    assert (again["metrics"]["files_processed"], again["metrics"]["files_unchanged"]) == (0, 1200)
    home.lake.assert_judges_agree("t.many", numbered(1200), judges=("duckdb",))
    bucket.put(keys[700], numbered(1, 5000))
    changed = home.load(bucket.uri("in/**/*.json"), "--table", "t.many")
    assert (changed["metrics"]["files_processed"], changed["metrics"]["records_written"]) == (1, 1)
    bucket.put(keys[700], numbered(1, 5001))
    refused = home.load(bucket.uri("in/**/*.json"), "--table", "t.many", "--on-change", "ignore")
    assert refused["metrics"]["files_processed"] == 0
    home.lake.assert_judges_agree("t.many", numbered(1200) + numbered(1, 5000), judges=("duckdb",))


# Prevents keys that are signed, listed or read as other keys.
def test_odd_keys(home, bucket):
    use(home, bucket.s3)
    names = ["a b", "a+b", "a%2Bb", "a&b=c;d", "é ü 😀", "q'\"x", "#hash?y", "dt=2026-01-01/h=1", "~(1)!,@:$*"]
    for number, name in enumerate(names, 1):
        bucket.put(f"in/{name}.json", numbered(1, number))
    run = home.load(bucket.uri("in/"), "--table", "t.odd")
    assert run["metrics"]["files_processed"] == len(names)
    home.lake.assert_judges_agree("t.odd", numbered(len(names)), judges=JUDGES)
    paths = {row["file_path"] for row in home.ledger("select file_path from processed_files")}
    assert paths == {bucket.uri(f"in/{name}.json") for name in names}
    assert home.load(bucket.uri("in/"), "--table", "t.odd")["metrics"]["files_unchanged"] == len(names)


# Prevents one set of keys or one endpoint for a whole ingestion: people merge buckets of several accounts.
def test_several_sources_with_endpoints_and_keys_of_their_own(home, seaweed, moto_server):
    other = Bucket(moto_server)
    seaweed.put("live/1.json", numbered(50))
    seaweed.put("live/2.json", numbered(30, 51))
    other.put("old/1.json", numbered(20, 81))
    local = home.write_rows("in/l.json", numbered(5, 101))

    def source(name, bucket, path):
        return {"id": name, "paths": [bucket.uri(path)], **bucket.s3.properties}

    sources = [source("live", seaweed, "live/*.json"), source("old", other, "old/*.json"), {"id": "disk", "paths": [str(local.parent)]}]
    catalog = {"type": "sql", "uri": f"sqlite:{home.folder}/.sluice/catalog.db", "warehouse": seaweed.uri("wh"), **seaweed.s3.properties}
    definition = {"sources": sources, "table": "lake.shop.orders", "on_change": "append"}
    home.write("sluice.yaml", json.dumps({"catalogs": {"lake": catalog}, "ingestions": {"orders": definition}}))
    home.extra_environment = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "wrong"}
    run = home.run("run", "orders", "--json").json
    assert (run["metrics"]["files_processed"], run["metrics"]["records_written"]) == (4, 105)
    lake = SqliteLake(home.folder / ".sluice/catalog.db", seaweed.s3, seaweed.uri("wh"), "lake")
    lake.assert_judges_agree("shop.orders", numbered(105), judges=("pyiceberg",))
    other.put("old/2.json", numbered(15, 106))
    again = home.run("run", "orders", "--json").json
    assert (again["metrics"]["files_processed"], again["metrics"]["records_written"]) == (1, 15)
    assert seaweed.s3.secret_key not in str(home.ledger("select * from ingestions")), "secrets stay out of the ledger"


# Prevents files that are marked FAILED for what is wrong with keys, bucket or server, and messages that do not say what it is.
@pytest.mark.parametrize("what", ["secret", "key", "bucket"])
def test_wrong_access_is_no_fault_of_the_files(home, seaweed, what):
    seaweed.put("in/a.json", numbered(3))
    use(home, seaweed.s3)
    good = dict(home.extra_environment)
    path = seaweed.uri("in/*.json")
    expected = {"secret": "SignatureDoesNotMatch", "key": "InvalidAccessKeyId", "bucket": "no such bucket"}[what]
    if what == "secret":
        home.extra_environment["AWS_SECRET_ACCESS_KEY"] = "wrong-secret"
    elif what == "key":
        home.extra_environment["AWS_ACCESS_KEY_ID"] = "nobody"
    else:
        path = "s3://no-such-bucket-here/in/*.json"
    outcome = home.run("load", path, "--table", "t.x", "--allow-empty", code=None)
    assert outcome.code in (1, 2) and expected in outcome.text, outcome
    assert "wrong-secret" not in outcome.text
    assert home.ledger("select * from processed_files where status = 'FAILED'") == []
    home.extra_environment = good
    assert home.load(seaweed.uri("in/*.json"), "--table", "t.x")["metrics"]["records_written"] == 3


# Prevents a second request for a small file: one GET for each object and no HEAD, by a listing that asks for none of them. Also in the
# first load of a table, which reads many of them to infer its columns.
def test_requests_per_object(home, seaweed):
    proxy = FaultProxy("127.0.0.1", int(seaweed.s3.endpoint.rpartition(":")[2]), "http")
    try:
        use(home, dataclasses.replace(seaweed.s3, endpoint=proxy.url))
        for day in ("monday", "tuesday"):
            names = [f"in/{day}-{number:03}.json" for number in range(300)]
            seaweed.put_many(names)
            proxy.plan()
            assert home.load(seaweed.uri("in/*.json"), "--table", "t.x")["metrics"]["files_processed"] == len(names)
            requests = [one for one in proxy.plan() if "list-type=2" not in one]
            assert sorted(requests) == [f"GET /{seaweed.name}/{name}" for name in names]
    finally:
        proxy.close()


# Prevents a request for each member of an archive: neighbours of a zip come in one range, a tar in one pass.
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_requests_per_archive(home, seaweed, kind, tmp_path):
    members = {f"{number:03}.json": lines(numbered(20, 1 + 20 * number)) for number in range(500)}
    seaweed.client.put_object(Bucket=seaweed.name, Key=f"in/all.{kind}", Body=archive_of(kind, members, tmp_path / "packing"))
    proxy = FaultProxy("127.0.0.1", int(seaweed.s3.endpoint.rpartition(":")[2]), "http")
    try:
        use(home, dataclasses.replace(seaweed.s3, endpoint=proxy.url))
        proxy.plan()
        assert home.load(seaweed.uri("in/"), "--table", "t.x")["metrics"]["files_processed"] == 501
        requests = [one for one in proxy.plan() if "list-type=2" not in one]
        print(f"{kind}: {len(requests)} requests")
        assert len(requests) <= 25, requests
        home.load(seaweed.uri("in/"), "--table", "t.x")
        assert [one for one in proxy.plan() if "list-type=2" not in one] == []
    finally:
        proxy.close()
    home.lake.assert_judges_agree("t.x", numbered(10_000), judges=("duckdb",))


# Prevents a glob over days and hours that lists every day, and one that asks for each folder in turn although they are independent.
def test_a_glob_descends_only_where_it_can_match(home, seaweed):
    for day in range(3):
        for hour in range(4):
            seaweed.put(f"in/dt={day}/h={hour}/x.json", numbered(1, day * 4 + hour + 1))
    seaweed.put_many([f"in/other/{number}.json" for number in range(5)])
    proxy = FaultProxy("127.0.0.1", int(seaweed.s3.endpoint.rpartition(":")[2]), "http")
    try:
        use(home, dataclasses.replace(seaweed.s3, endpoint=proxy.url))
        assert home.load(seaweed.uri("in/dt=*/h=*/*.json"), "--table", "t.x")["metrics"]["files_processed"] == 12
        listed = [one for one in proxy.plan() if "list-type=2" in one]
        assert not [one for one in listed if "other" in one]
    finally:
        proxy.close()
    home.lake.assert_judges_agree("t.x", numbered(12), judges=("duckdb",))


@cache
def large_rows():
    """Rows, and 35 MB of JSON of them that hardly compresses."""
    rows = [{"id": number, "name": os.urandom(64).hex()} for number in range(1, 250_001)]
    return rows, lines(rows)


# Prevents a large object that is read or written in pieces which do not fit, and parts of uploads that stay behind.
def test_large_objects_in_ranges_and_parts(home, seaweed):
    use(home, seaweed.s3)
    rows, content = large_rows()
    seaweed.client.put_object(Bucket=seaweed.name, Key="in/large.json", Body=content)
    run = home.load(seaweed.uri("in/large.json"), "--table", "t.large", "--warehouse", seaweed.uri("wh"))
    assert run["metrics"]["records_written"] == len(rows)
    lake = lake_of(home, seaweed)
    lake.assert_judges_agree("t.large", rows, judges=("duckdb",))
    assert seaweed.client.list_multipart_uploads(Bucket=seaweed.name).get("Uploads", []) == []
    assert unreferenced(lake, "t.large") == []


# Prevents parts that a killed process left on the server: nobody sees them, and they are paid for.
def test_uploads_of_a_killed_run_are_ended(home, seaweed):
    use(home, seaweed.s3)
    rows, content = large_rows()
    seaweed.client.put_object(Bucket=seaweed.name, Key="in/large.json", Body=content)
    command = ("load", seaweed.uri("in/large.json"), "--table", "t.large", "--warehouse", seaweed.uri("wh"), "--json")
    process = home.start(*command)

    def unfinished():
        return seaweed.client.list_multipart_uploads(Bucket=seaweed.name).get("Uploads", [])

    wait_until(lambda: unfinished() or process.poll() is not None, "an upload to be under way", 60)
    assert process.poll() is None, "the run ended before an upload was seen"
    process.kill()
    home.finish(process)
    run = home.run(*command).json
    assert run["metrics"]["records_written"] == len(rows)
    lake = lake_of(home, seaweed)
    assert len(lake.read("duckdb", "t.large", (), ("id",))) == len(rows)
    assert unfinished() == []
    assert unreferenced(lake, "t.large") == []


# Runs a command and says its peak of memory: a child of this large process would be born with ours.
PEAK_KIB = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)"


class Listing(BaseHTTPRequestHandler):
    """An S3 service that only lists: as many keys as the server's `keys`, in its order, a thousand a page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        begin = int(query.get("continuation-token", ["0"])[0])
        page = self.server.keys[begin : begin + 1000]
        more = begin + 1000 < len(self.server.keys)
        objects = "".join(
            f"<Contents><Key>{key}</Key><ETag>&quot;e{key}&quot;</ETag><Size>9</Size><LastModified>2020-01-01T00:00:00Z</LastModified></Contents>" for key in page
        )
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated><NextContinuationToken>{begin + 1000}</NextContinuationToken>{objects}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# Prevents listings that are held whole, and a listing out of order that is compared in the wrong one.
@pytest.mark.parametrize("in_byte_order", [True, False])
def test_a_hundred_thousand_objects(home, in_byte_order):
    names = [f"in/{number:04}{kind}{file:02}.json" for number in range(500) for kind in "/-" for file in range(100)]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    server.keys = sorted(names) if in_byte_order else names
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    home.extra_environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_ENDPOINT_URL": endpoint}
    settings = {"source": {"paths": ["s3://b/in/"]}, "table": "t.x", "start_from": "now", "on_change": "append"}
    home.write("sluice.yaml", json.dumps({"ingestions": {"many": settings}}))
    try:
        first = home.run("run", "many", "--json").json
        assert first["metrics"]["files_skipped"] == len(names)
        again = home.run("run", "many", "--json", before=(sys.executable, "-c", PEAK_KIB))
        assert again.json["metrics"]["files_unchanged"] == len(names)
        assert int(again.err.split()[-1]) < 100 * 1024, again.err
    finally:
        server.shutdown()
        server.server_close()
