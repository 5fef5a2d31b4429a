"""The whole stack for end-to-end tests: servers and a service of this run, or those of `make setup-test`."""

import os

import pytest

from judges import spark_connect_uri
from service import Service
from stack import Stack, described, environment_of, lake_of, settings_of

# The folder of an environment that runs already (make test-e2e-full); without it each run has its own servers on free ports.
ENVIRONMENT = os.environ.get("SLUICE_TEST_ENVIRONMENT")
CATALOG_KINDS = [described(ENVIRONMENT)[0]] if ENVIRONMENT else ["sql", "rest"]


@pytest.fixture(scope="session", params=CATALOG_KINDS)
def stack(request, tmp_path_factory):
    """The stack with its catalog in PostgreSQL (`sql`) or behind a REST catalog (`rest`); one for all tests, which share its tables."""
    kind = request.param
    if ENVIRONMENT:
        yield described(ENVIRONMENT)[1]
        return
    s3, server, rest_catalog = (request.getfixturevalue(name) for name in ("s3_server", "postgres_server", "rest_catalog"))
    postgres = server.make_database(f"stack_{kind}")
    service = Service(
        request.getfixturevalue("program"), tmp_path_factory.mktemp(f"service-{kind}"),
        settings_of(kind, s3, postgres, rest_catalog), environment_of(s3, postgres),
    )  # fmt: skip
    service.start()
    yield Stack(s3, postgres, lake_of(kind, s3, postgres, rest_catalog), service, spark_connect_uri())
    assert service.stop() == 0, service.said()[-4000:]
