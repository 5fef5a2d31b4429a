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


def outcomes(program, words, environment, report, done=()):
    """{test: result} of the program's tests with one of the words in their name, without those of `done`; all must pass or be skipped."""
    wanted = ":".join(f"*{word}*" for word in words) + "-" + ":".join(done)
    command = [BUILD / program, f"--gtest_filter={wanted}", f"--gtest_output=json:{report}"]
    ended = subprocess.run(command, env=environment, cwd=report.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    assert ended.returncode == 0, f"{program}: exit code {ended.returncode}\n{ended.stdout[-8000:]}"
    suites = json.loads(report.read_text())["testsuites"] if report.exists() else []
    return {f"{suite['name']}.{test['name']}": test["result"] for suite in suites for test in suite["testsuite"]}


# Prevents an S3 store, a catalog or a ledger that keeps the promises of its interface only over a fake server, and a suite that was
# skipped, or never there, without anybody noticing.
@pytest.mark.parametrize("program", programs())
def test_suites_over_real_servers(program, servers_environment, tmp_path):
    read = programs()[program]
    words = [WORDS[variable] for variable in read]
    without = {name: value for name, value in servers_environment.items() if not name.startswith("SLUICE_TEST_")}
    alone = [name for name, result in outcomes(program, words, without, tmp_path / "alone.json").items() if result == "COMPLETED"]
    tests = outcomes(program, words, servers_environment, tmp_path / "report.json", done=alone)
    skipped = [name for name, result in tests.items() if result != "COMPLETED"]
    assert not skipped, f"{program}: skipped although the servers are there: {', '.join(skipped)}"
    for word in words:
        assert any(word in name for name in tests), f"{program} has no test that needs the server of {word}"


# Prevents that nothing runs at all, for instance after a variable was renamed.
def test_every_server_has_a_suite():
    missing = set(WORDS) - {variable for read in programs().values() for variable in read}
    assert not missing, f"no test program reads {', '.join(sorted(missing))}"
