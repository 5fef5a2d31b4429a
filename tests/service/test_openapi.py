"""The OpenAPI document and the service are the same thing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LONG = os.environ.get("SLUICE_TEST_LONG") == "1"
EXAMPLES = 100  # of each operation and phase
ITEMS_MAX, LENGTH_MAX = 10, 500
SCHEMATHESIS_S = 900


# Prevents: a documented call that is not there, a path or method that is there and not documented.
def test_every_documented_call_exists(service):
    document = service.call("GET", "/openapi.json", status=200).json
    assert document["openapi"].startswith("3.1")
    service.write("a.json", [1])
    ingestion = service.create(service.definition())
    run = service.run(ingestion)["run_id"]
    methods = {"GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"}
    for path, operations in document["paths"].items():
        url = path.replace("{id}", run if path.startswith("/api/v1/runs") else ingestion)
        documented = {method.upper() for method in operations}
        for method in sorted(methods - {"DELETE"}) + ["DELETE"]:
            if method == "DELETE" and method in documented:
                continue  # tried last, for it ends the ingestion
            answer = service.call(method, url, None if method == "GET" else {})
            assert (answer.status != 405) == (method in documented), answer
            assert answer.status not in (404, 500), answer
            if answer.status == 405:
                assert set(answer.headers["Allow"].split(", ")) == documented
    service.call("GET", "/api/v1/nothing", status=404)
    service.call("GET", "/api/v1/ingestions/", status=404)


# Prevents: the table of calls in the documentation that says less or more than the service has.
def test_the_reference_lists_every_call(service):
    page = (Path(__file__).resolve().parents[2] / "docs/reference/rest.md").read_text()
    document = service.call("GET", "/openapi.json", status=200).json
    documented = {f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations}
    listed = set(re.findall(r"^\| `((?:GET|POST|PATCH|DELETE) \S+)`", page, re.MULTILINE))
    assert listed == documented


def without_large_limits(schema):
    """The document without maxItems and maxLength that are large: schemathesis makes a value of each limit, and 4096 columns with 10,000
    values each are more than it can make in an hour."""
    if isinstance(schema, list):
        return [without_large_limits(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    too_large = {name for name, most in (("maxItems", ITEMS_MAX), ("maxLength", LENGTH_MAX)) if schema.get(name, 0) > most}
    return {name: without_large_limits(value) for name, value in schema.items() if name not in too_large}


# Prevents: answers that do not fit their schema, requests that crash the server or are taken although they are wrong.
@pytest.mark.skipif(not LONG, reason="thousands of requests: only in the long run")
def test_schemathesis_finds_nothing(make_service):
    service = make_service(arguments=["--rate-max", "0"]).start()
    service.write("a.json", [1])
    document = service.folder / "openapi.json"
    document.write_text(json.dumps(without_large_limits(service.call("GET", "/openapi.json", status=200).json)))
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", document, "--url", service.url, "--checks", checks, "--max-examples", str(EXAMPLES), "--seed", "7",
         "--generation-database", "none", "--exclude-operation-id", "metrics"],
        cwd=service.folder, capture_output=True, text=True, timeout=SCHEMATHESIS_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
