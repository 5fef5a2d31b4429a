"""Secrets are searched for wherever the platform writes or answers: logs, responses, the ledger's dump, error messages. None is found."""

import base64
import subprocess
import urllib.parse
import uuid

import pytest

from program import numbered
from service import Service
from stack import Stack, environment_of, lake_of, settings_of

# Recognisable, and different when percent-encoded.
SOURCE_SECRET = "Sesame/open+" + uuid.uuid4().hex
WRONG_SECRET = "Wrong/secret+" + uuid.uuid4().hex


def spellings(secret):
    """The secret as it is and as a careless program may write it."""
    plain = secret.encode()
    return {plain, urllib.parse.quote(secret, safe="").encode(), base64.b64encode(plain), plain.hex().encode()}


def assert_absent(where, content, secrets):
    for name, secret in secrets.items():
        for spelling in spellings(secret):
            at = content.find(spelling)
            assert at < 0, f"{where} has the {name}: ...{content[max(0, at - 80):at].decode(errors='replace')}<here>"


@pytest.fixture
def watched(program, tmp_path, s3_server, postgres, rest_catalog):
    service = Service(program, tmp_path / "server", settings_of("sql", s3_server, postgres, rest_catalog), environment_of(s3_server, postgres)).start()
    yield Stack(s3_server, postgres, lake_of("sql", s3_server, postgres, rest_catalog), service, "")
    service.kill()


# Prevents a secret that leaks: into an answer of the API, a log, an error message of a failed run, or the ledger, where every backup has it.
def test_no_secret_is_found_anywhere(watched):
    stack, api = watched, watched.api
    bucket = stack.s3.make_bucket(f"secrets-{uuid.uuid4().hex[:8]}")
    stack.put_rows(bucket, "data-001.json", numbered(3))
    answers = []

    def ask(method, path, body=None):
        answer = api.call(method, path, body)
        answers.append((f"{method} {path}", str(answer.headers).encode() + answer.body))
        return answer

    good = stack.definition(bucket, "secrets_good")
    bad = stack.definition(bucket, "secrets_bad", source_config={"secret_key": WRONG_SECRET, "access_key": "nobody"})
    other = stack.definition("no-such-bucket", "secrets_other", source_config={"secret_key": SOURCE_SECRET})
    made = [ask("POST", "/api/v1/ingestions", body).json["ingestion_id"] for body in (good, bad, other)]
    ask("POST", "/api/v1/ingestions", {**bad, "source_type": "NOWHERE"})
    ask("POST", "/api/v1/ingestions", {**bad, "unknown": {"secret_key": WRONG_SECRET}})
    ask("PATCH", f"/api/v1/ingestions/{made[1]}", {"source_config": bad["source_config"]})
    for ingestion in made:
        run = ask("POST", f"/api/v1/ingestions/{ingestion}/run").json["run_id"]
        api.ended(run)
        for path in (f"/runs/{run}", f"/ingestions/{ingestion}", f"/ingestions/{ingestion}/runs", f"/ingestions/{ingestion}/files", f"/ingestions/{ingestion}/processed-files"):
            ask("GET", f"/api/v1{path}")
        ask("POST", f"/api/v1/ingestions/{ingestion}/check")
    for path in ("/api/v1/ingestions", "/metrics", "/readyz", "/openapi.json", "/nowhere"):
        ask("GET", path)
    assert api.stop() == 0

    secrets = {"source's secret": SOURCE_SECRET, "wrong secret": WRONG_SECRET, "ledger's password": stack.postgres.password}
    for where, content in answers:
        assert_absent(where, content, secrets)
    for path in api.folder.rglob("*"):
        if path.is_file():
            assert_absent(str(path), path.read_bytes(), secrets)
    dump = subprocess.run(["/usr/lib/postgresql/15/bin/pg_dump", stack.postgres.uri], capture_output=True, check=True).stdout
    assert b"processed_files" in dump and bucket.encode() in dump
    assert_absent("the database's dump", dump, secrets)
    for key in [one["Key"] for one in stack.s3.client.list_objects_v2(Bucket=stack.s3.bucket).get("Contents", [])]:
        assert_absent(key, stack.s3.client.get_object(Bucket=stack.s3.bucket, Key=key)["Body"].read(), secrets)
    assert_absent("the loaded table's metadata", str(stack.lake.table("test_db.secrets_good").metadata).encode(), secrets)
