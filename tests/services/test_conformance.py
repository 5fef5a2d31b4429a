"""The C++ tests that want real servers (they read SLUICE_TEST_*) run against them: the same suites as over fakes, and nothing skipped.

A program takes part if it reads one of the variables. Its tests of that server have the server's word in their name.
"""

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("SLUICE_BINARY", Path(__file__).resolve().parents[2] / "build/release/sluice")).parent
WORDS = {"SLUICE_TEST_S3": "S3", "SLUICE_TEST_POSTGRES": "Postgres", "SLUICE_TEST_REST": "Rest"}
TIMEOUT_S = 300


def programs():
    """{program: the variables it reads}."""
    found = {}
    for program in sorted(BUILD.glob("*_test")):
        text = program.read_bytes()
        if read := [variable for variable in WORDS if variable.encode() + b"\0" in text]:
            found[program.name] = read
    return found


@pytest.fixture
def servers_environment(s3_server, rest_catalog, postgres):
    bucket = s3_server.make_bucket(f"conformance-{uuid.uuid4().hex[:8]}")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **s3_server.environment,
        "SLUICE_TEST_S3": s3_server.endpoint,
        "SLUICE_TEST_S3_BUCKET": bucket,
        "SLUICE_TEST_POSTGRES": postgres.uri,
        "SLUICE_TEST_REST": rest_catalog.uri,
        "SLUICE_TEST_REST_WAREHOUSE": f"s3://{bucket}/rest",
    }


# Prevents an S3 store, a catalog or a ledger that keeps the promises of its interface only over a fake server, and a suite that was
# skipped without anybody noticing.
@pytest.mark.parametrize("program", programs())
def test_suites_over_real_servers(program, servers_environment, tmp_path):
    report = tmp_path / "report.json"
    words = [WORDS[variable] for variable in programs()[program]]
    command = [BUILD / program, "--gtest_filter=" + ":".join(f"*{word}*" for word in words), f"--gtest_output=json:{report}"]
    done = subprocess.run(command, env=servers_environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"{program}: exit code {done.returncode}\n{done.stdout[-8000:]}"
    tests = [(f"{suite['name']}.{test['name']}", test["result"]) for suite in json.loads(report.read_text())["testsuites"] for test in suite["testsuite"]]
    for word in words:
        assert [name for name, _ in tests if word in name], f"{program} has no test of {word}"
    skipped = [name for name, result in tests if result != "COMPLETED"]
    assert not skipped, f"{program}: skipped although the servers are there: {', '.join(skipped)}"
