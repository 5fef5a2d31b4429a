"""Fixtures for every Python test: a home of its own for the real binary, and the outside judges over its tables."""

import gc
import os
import subprocess
import uuid
from pathlib import Path

import pytest

pytest.register_assert_rewrite("judges", "program")

import servers  # noqa: E402
from judges import Lake, spark_connect_uri  # noqa: E402
from program import Home  # noqa: E402
from server_process import Host  # noqa: E402


def pytest_collection_finish():
    """What is imported stays: each collection of garbage need not go through it again."""
    gc.freeze()


def pytest_runtest_logreport(report):
    """A failure is told at once: a run that is stopped before its end has said what it found."""
    if report.failed:
        print(f"\n{report.nodeid} ({report.when}): {report.longreprtext}", flush=True)


@pytest.fixture(scope="session")
def program():
    """The path of the built program."""
    path = Path(os.environ.get("SLUICE_BINARY", Path(__file__).resolve().parents[1] / "build/release/sluice"))
    assert path.is_file(), f"{path} is not there: run `make build`"
    return path


@pytest.fixture
def home(program, tmp_path):
    """An empty working folder: `home.load(...)` runs the program in it, `home.lake` is its catalog as the judges see it."""
    one = Home(program, tmp_path)
    yield one
    one.kill_all()


@pytest.fixture
def lake(tmp_path):
    """A catalog and warehouse made by the judges themselves, without our program."""
    return Lake(tmp_path / "catalog.db", tmp_path / "warehouse")


@pytest.fixture(scope="session")
def server_host():
    """Where this run's servers live; each starts when a test first asks for it and serves the whole run."""
    host = Host.temporary()
    yield host
    host.stop()


@pytest.fixture(scope="session")
def s3_server(server_host):
    """SeaweedFS with its REST catalog (S3_SERVER=minio: MinIO). Make a bucket of your own: `s3_server.make_bucket(name)`."""
    return servers.start_s3(server_host)


@pytest.fixture(scope="session")
def moto_server(server_host):
    """An S3 server that lists in byte order and keeps odd keys as they are."""
    return servers.start_moto(server_host)


@pytest.fixture(scope="session")
def postgres_server():
    """PostgreSQL; tests want `postgres`, a database of their own on it. In memory: it makes and removes files by the thousand."""
    host = Host.temporary(in_memory=True)
    yield servers.start_postgres(host, sign_in="md5")
    host.stop()


@pytest.fixture
def postgres(postgres_server):
    """An empty database that no other test has."""
    return postgres_server.make_database(f"test_{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def rest_catalog(server_host, s3_server):
    """Apache Iceberg's REST catalog server, its warehouse on `s3_server`. Make a namespace of your own in it."""
    return servers.start_rest_catalog(server_host, s3_server, f"s3://{s3_server.bucket}/rest")


@pytest.fixture(scope="session")
def spark_connect():
    """The URI of a Spark Connect server (the same process as the judge Spark)."""
    return spark_connect_uri()


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 8 MiB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
