"""Who may do what, and what may never be seen."""

import concurrent.futures
import contextlib
import gzip
import json
import os
import resource
import socket
import sqlite3
import subprocess
import uuid

import pytest

from server_process import wait_until
from service import Api

SECRET = "hush-" + uuid.UUID(int=0xD0D0).hex
SLOW_CLIENTS = 300
CONNECTIONS_MAX = 1000  # of HttpLimits


def s3_definition(name="lake"):
    """An S3 source on a port where nobody listens."""
    return {
        "name": name,
        "source_type": "S3",
        "source_config": {
            "bucket": "test-bucket", "path": "", "file_pattern": "data-*.json", "endpoint": "http://127.0.0.1:9",
            "access_key": f"id-{SECRET}", "secret_key": f"key-{SECRET}", "region": "us-east-1",
        },
        "destination_config": {"database": "db", "table": name},
        "format_type": "JSON",
    }  # fmt: skip


# Prevents: an API that is open although there are tokens, one that a wrong, cut or revoked token opens.
def test_tokens_open_the_door_and_nothing_else_does(make_service):
    service = make_service().start()
    service.get("/ingestions")  # no token yet, and only this machine can call
    token = service.new_token("acme")
    refused = service.call("GET", "/api/v1/ingestions", status=401)
    assert refused.headers["WWW-Authenticate"] == "Bearer" and refused.json["error"]["code"] == "unauthorized"
    for wrong in ("x", token["token"][:-1] + ("0" if token["token"][-1] != "0" else "1"), token["token"][:20], "slu_" + "0" * 16 + "_" + "0" * 32):
        Api(service.url, wrong).call("GET", "/api/v1/ingestions", status=401)
    Api(service.url, token["token"]).get("/ingestions")
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        service.call("GET", path, status=200)
    service.command("token", "revoke", token["id"])
    Api(service.url, token["token"]).call("GET", "/api/v1/ingestions", status=401)
    listed = service.command("token", "list")["tokens"]
    assert [(one["id"], one["tenant"], bool(one["revoked_at"])) for one in listed] == [(token["id"], "acme", True)]


# Prevents: one tenant reading, running, changing or deleting what belongs to another, or learning that it exists.
def test_tenants_do_not_see_each_other(make_service):
    service = make_service()
    mine, other = (Api(service.url, service.new_token(tenant)["token"]) for tenant in ("mine", "other"))
    service.start()
    service.write("a.json", [1])
    ingestion = mine.create(service.definition())
    run = mine.run(ingestion)["run_id"]
    calls = [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/retry"), ("POST", "/check"),
        ("GET", "/runs"), ("GET", "/files"), ("GET", "/processed-files"),
    ]  # fmt: skip
    for method, path in calls:
        other.call(method, f"/api/v1/ingestions/{ingestion}{path}", {} if method == "PATCH" else None, status=404)
    other.call("POST", f"/api/v1/ingestions/{ingestion}/files", {"files": ["/a"]}, status=404)
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        other.call(method, f"/api/v1/runs/{run}{path}", status=404)
    assert other.get("/ingestions")["total"] == 0 and mine.get("/ingestions")["total"] == 1
    other.post("/ingestions", service.definition(tenant_id="mine"), status=403)
    assert mine.get(f"/ingestions/{ingestion}")["tenant_id"] == "mine"


# Prevents: a port that other machines reach and that asks nobody, because nobody thought of it.
def test_beyond_this_machine_no_auth_must_be_spelt_out(program, make_service):
    service = make_service()
    done = subprocess.run([program, "serve", "--listen", "0.0.0.0:0"], cwd=service.folder, env=service.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--auth none" in done.stderr and "token create" in done.stderr, done
    assert "Listening" not in done.stdout


# Prevents: a tenant who reads the operator's files: by another folder, by dots, by a link that leads out, by a contract's path.
def test_local_sources_stay_below_the_roots(service, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.json").write_text('{"id": 666}\n')
    (service.landing / "link").symlink_to(secret)
    (service.landing / "l.json").symlink_to(secret / "s.json")
    outside = [
        {"path": str(secret)}, {"path": "/etc"}, {"path": "/"}, {"path": f"{service.landing}/../../secret"}, {"path": f"{service.landing}/link"},
        {"path": str(service.landing), "file_pattern": "../../secret/*.json"}, {"path": str(service.landing) + "-not"},
    ]  # fmt: skip
    for config in outside:
        service.post("/ingestions", {**service.definition(), "source_config": config}, status=403)
    service.post("/ingestions", service.definition(schema={"contract": str(secret / "contract.yaml")}), status=403)

    service.write("a.json", [1])
    for name, pattern in (("files", "*.json"), ("deep", "**/*.json"), ("braces", "{a.json,link/s.json}")):
        ingestion = service.create(service.definition(name, pattern))
        service.ended(service.trigger(ingestion))
        assert service.ids(name) == [1], name
        for file in service.files(ingestion, "FAILED"):
            assert file["error_type"] == "Unreadable" and "outside" in file["error_message"], file


# Prevents: LOCAL sources on a server whose operator never allowed any.
def test_without_roots_there_are_no_local_sources(make_service):
    service = make_service()
    service.arguments = []
    service.start()
    service.post("/ingestions", service.definition(), status=403)


# Prevents: a request that takes the memory, the time or the mind of the server.
@pytest.mark.parametrize(
    "body, status",
    [
        (b"{", 400), (b"nonsense", 400), (b"[]", 400), (b'"text"', 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
        (b"x" * (1024 * 1024 + 1), 413), (json.dumps({"name": "a\0b", "destination_config": {"database": "d", "table": "t"}}).encode(), 400),
        (json.dumps({"name": "n" * 300, "nmae": 1}).encode(), 400), (b'{"name": "x", "name": "y"}', 400),
    ],
)  # fmt: skip
def test_bodies_that_are_none(service, body, status):
    answer = service.call("POST", "/api/v1/ingestions", body, status=status)
    assert answer.json["error"]["message"]
    service.call("GET", "/healthz", status=200)


# Prevents: reasons that do not say which field, or only the first of them.
def test_refusals_name_every_field(service):
    error = service.post("/ingestions", {"name": 7, "source_type": "FTP", "destination_config": {"database": "d"}, "what": 1}, status=400)["error"]
    assert sorted(one["field"] for one in error["details"]) == ["destination_config.table", "name", "source_type", "what"]
    for path in ("?limit=0", "?limit=x", "?limit=1001", "?nope=1", "?limit=1&limit=2", "?status=DELETED"):
        service.get(f"/ingestions{path}", status=400)


def raw(service, text, timeout=20):
    """What the server says to these bytes, up to the end of its headers."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=timeout) as connection:
        connection.sendall(text)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while b"\r\n\r\n" not in said:
                more = connection.recv(65536)
                if not more:
                    break
                said += more
        return said.decode(errors="replace")


# Prevents: requests that two readers understand differently, headers without end, bombs that unpack in memory.
@pytest.mark.parametrize(
    "head, body, status",
    [
        ("POST /api/v1/ingestions HTTP/1.1\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", 411),
        ("POST /api/v1/ingestions HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4", b"{}  ", 400),
        ("POST /api/v1/ingestions HTTP/1.1\r\nContent-Length: -1", b"", 400),
        ("POST /api/v1/ingestions HTTP/1.1\r\nContent-Length: 99999999999999999999999", b"", 413),
        ("POST /api/v1/ingestions HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 22", gzip.compress(b"{}", mtime=0), 415),
        ("GET /healthz HTTP/1.1\r\nX: " + "y" * 20_000, b"", 431),
        ("GET /healthz HTTP/1.1\r\n" + "\r\n".join(f"X-{n}: 1" for n in range(150)), b"", 431),
        ("GET /healthz HTTP/2.0", b"", 505),
        ("\x16\x03\x01\x02", b"", 400),
        ("GET /healthz HTTP/1.1\r\nnonsense", b"", 400),
        ("TRACE /healthz HTTP/1.1", b"", 405),
        ("GET /healthz HTTP/1.1\r\nConnection: close", b"", 200),
    ],
)  # fmt: skip
def test_odd_requests(service, head, body, status):
    said = raw(service, head.encode("latin-1") + b"\r\n\r\n" + body)
    assert said.startswith(f"HTTP/1.1 {status} "), said[:300]
    service.call("GET", "/healthz", status=200)


# Prevents: a few clients that send a byte now and then, and nobody else is answered.
def test_slow_clients_do_not_block_others(service):
    with contextlib.ExitStack() as open_ones:
        slow = [open_ones.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(SLOW_CLIENTS)]
        for n, connection in enumerate(slow):
            connection.sendall((b"POST /api/v1/ingestions HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{", b"GET /hea", b"")[n % 3])
        for _ in range(10):
            service.call("GET", "/healthz", status=200, timeout=5)
        slow[0].settimeout(30)
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 408 ")


# Prevents: somebody who opens connections and says nothing, and with that closes the service for everybody.
def test_idle_connections_make_room(service):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with contextlib.ExitStack() as open_ones:
            for _ in range(CONNECTIONS_MAX + 20):
                open_ones.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            for _ in range(3):
                service.get("/ingestions")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Prevents: a liveness probe that queues behind calls which wait for the ledger: the service would be killed in the middle of its runs.
def test_health_is_answered_while_all_calls_wait(service):
    with contextlib.closing(sqlite3.connect(service.folder / ".sluice/ledger.db", isolation_level=None)) as ledger:
        ledger.execute("begin immediate")  # nobody else writes
        with concurrent.futures.ThreadPoolExecutor(20) as clients:
            waiting = [clients.submit(service.create, service.definition(f"n{n}")) for n in range(20)]
            done, _ = concurrent.futures.wait(waiting, timeout=1)
            assert not done
            service.call("GET", "/healthz", status=200, timeout=5)
            ledger.execute("rollback")
            assert len({one.result() for one in waiting}) == 20


# Prevents: one caller who takes the service from all others.
def test_too_many_requests_are_told_to_wait(make_service):
    service = make_service(arguments=["--rate-max", "5"]).start()
    answers = [service.call("GET", "/api/v1/ingestions") for _ in range(40)]
    limited = [one for one in answers if one.status == 429]
    assert limited and int(limited[0].headers["Retry-After"]) >= 1
    assert wait_until(lambda: service.call("GET", "/api/v1/ingestions").status == 200, "the limit to pass", 10)


def everything_below(folder):
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                yield path, file.read()


# Prevents: a source's secret, or a token, in an answer, a log, the ledger, or any other file of the service.
def test_secrets_are_nowhere(make_service):
    service = make_service()
    token = service.new_token("acme")["token"]
    api = Api(service.url, token)
    service.start()
    answers = []

    def call(method, path, body=None, headers=None):
        answers.append(api.call(method, path, body, headers=headers))
        return answers[-1]

    made = call("POST", "/api/v1/ingestions", s3_definition(), {"Idempotency-Key": "k"})
    assert made.status == 201, made
    ingestion = made.json["id"]
    assert made.json["source_config"]["secret_key"] == "***" and made.json["source_config"]["access_key"] == "***"
    call("POST", "/api/v1/ingestions", s3_definition(), {"Idempotency-Key": "k"})
    call("POST", "/api/v1/ingestions", {**s3_definition("bad"), "schedule": "nonsense"})
    call("POST", "/api/v1/ingestions", {**s3_definition("bad"), "source_config": {**s3_definition()["source_config"], "bucket": 7}})
    patched = call("PATCH", f"/api/v1/ingestions/{ingestion}", {"source_config": {"region": "eu-west-1"}})
    assert patched.json["source_config"]["region"] == "eu-west-1" and patched.json["source_config"]["secret_key"] == "***"
    call("GET", f"/api/v1/ingestions/{ingestion}"), call("GET", "/api/v1/ingestions")
    call("POST", f"/api/v1/ingestions/{ingestion}/check")
    run = call("POST", f"/api/v1/ingestions/{ingestion}/run").json["run_id"]
    call("POST", f"/api/v1/runs/{run}/cancel")
    ended = api.ended(run, timeout=60)
    assert ended["status"] in ("FAILED", "CANCELLED"), ended
    call("GET", f"/api/v1/runs/{run}"), call("GET", f"/api/v1/ingestions/{ingestion}/files"), call("GET", "/metrics")
    assert service.ledger("select sealed from ingestions where id = ?", ingestion)[0]["sealed"].startswith("v1.")
    assert service.stop() == 0
    secret, token_secret = SECRET.encode(), token.split("_")[2].encode()
    for answer in answers:
        assert secret not in answer.body and token_secret not in answer.body, answer
    for path, content in everything_below(service.folder):
        assert secret not in content and token_secret not in content, path
    assert service.folder.joinpath(".sluice/sluice.key").stat().st_mode & 0o777 == 0o600


# Prevents: secrets that are lost with a restart, and a wrong key that shows as nonsense.
def test_sealed_secrets_need_their_key(make_service):
    service = make_service().start()
    ingestion = service.create(s3_definition())
    service.stop()
    key = service.folder / ".sluice/sluice.key"
    right = key.read_text()
    key.write_text("0" * 64 + "\n")
    service.start()
    refused = service.post(f"/ingestions/{ingestion}/check", status=422)["error"]["message"]
    assert "sealed with key" in refused and "SLUICE_KEY_FILE" in refused
    failed = service.run(ingestion, status="FAILED")
    assert "SLUICE_KEY_FILE" in failed["error"]
    service.stop()
    key.write_text(right)
    service.start()
    service.post(f"/ingestions/{ingestion}/check", status=200)


# Prevents: tenants who read with the machine's own credentials because they brought none.
def test_a_tenant_brings_its_own_credentials(make_service):
    service = make_service()
    api = Api(service.url, service.new_token("acme")["token"])
    service.start()
    definition = s3_definition()
    del definition["source_config"]["secret_key"]
    assert "secret_key" in api.post("/ingestions", definition, status=403)["error"]["message"]
    empty = {**s3_definition()["source_config"], "access_key": "", "secret_key": ""}  # as good as none: the machine's would be taken
    assert "secret_key" in api.post("/ingestions", {**s3_definition(), "source_config": empty}, status=403)["error"]["message"]
    made = api.create(s3_definition())
    api.call("PATCH", f"/api/v1/ingestions/{made}", {"source_config": {"access_key": "", "secret_key": ""}}, status=403)
