"""The converter story with the program in a container: stopped and killed by Docker."""

import json
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from converter import Bucket, check_objects, checked_inventory, done_files, make_sources
from fault_proxy import DELAYED, Fault, FaultProxy

ROOT = Path(__file__).resolve().parents[2]
NAME = "convert"
EVERYTHING = 10**9
PATIENCE_S = 120


def docker(*arguments, check=True, **options):
    return subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=check, **options)


def daemon_answers():
    return shutil.which("docker") and docker("info", check=False).returncode == 0


pytestmark = pytest.mark.skipif(not daemon_answers(), reason="no Docker daemon answers")


@pytest.fixture(scope="module")
def image():
    name = f"sluice-converter-test:{uuid.uuid4().hex[:8]}"
    docker("build", "--target", "app", "--tag", name, ROOT)
    yield name
    docker("rmi", "--force", name)


class Container:
    """Runs the program in containers that share a home, on the host's network."""

    def __init__(self, image, sources, home, s3):
        self._base = ["--network", "host", "--user", "0", "--volume", f"{sources.folder}:{sources.folder}:ro", "--volume", f"{home}:/home/sluice"]
        for name, value in s3.environment.items():
            self._base += ["--env", f"{name}={value}"]
        self._image = image

    def run(self, *arguments):
        """Its exit code and output."""
        ended = docker("run", "--rm", *self._base, self._image, *arguments, check=False)
        return ended.returncode, ended.stdout

    def interrupted(self, arguments, half_way, how):
        """Runs until `half_way()`, then ends the container with `docker stop` or `docker kill`."""
        name = f"sluice-converter-{uuid.uuid4().hex[:8]}"
        docker("run", "--detach", "--name", name, *self._base, self._image, *arguments)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not half_way():
                assert time.monotonic() < deadline and docker("ps", "--quiet", "--filter", f"name={name}").stdout, docker("logs", name).stdout
                time.sleep(0.05)
            docker(how, name)
            return int(docker("wait", name).stdout)
        finally:
            docker("rm", "--force", name)

    def inventory(self):
        return checked_inventory(json.loads(self.run("status", NAME, "--inventory", "--json")[1]))


# Prevents an image whose program does not get the signals of `docker stop`, keeps its state where the next container does not find it, or
# needs something that only the building machine has.
def test_the_converter_story_in_containers(image, tmp_path, s3_server):
    sources, bucket = make_sources(tmp_path / "source"), Bucket(s3_server)
    (tmp_path / "home").mkdir()
    container = Container(image, sources, tmp_path / "home", s3_server)
    host, port = s3_server.endpoint.removeprefix("http://").split(":")
    proxy = FaultProxy(host, int(port), "http")
    arguments = ["load", sources.folder, "--parquet", bucket.uri("out"), "--name", NAME, "--s3-endpoint", proxy.url]
    try:

        def objects_put():
            return sum(one.startswith("PUT ") and ".parquet" in one for one in proxy.requests) >= 6

        proxy.plan(Fault(DELAYED, 1, EVERYTHING))
        assert container.interrupted(arguments, objects_put, "stop") == 130
        after_stop = container.inventory()
        assert 0 < after_stop["done"] < after_stop["files"] and after_stop["in_progress"] == 0
        proxy.plan(Fault(DELAYED, 1, EVERYTHING))
        assert container.interrupted(arguments, objects_put, "kill") == 137
        after_kill, versions_killed = container.inventory(), bucket.versions("out")
        assert done_files(after_stop, sources) <= done_files(after_kill, sources) <= set(versions_killed)
        proxy.plan()
        assert container.run(*arguments)[0] == 3
    finally:
        proxy.close()
    at_the_end = container.inventory()
    assert at_the_end["pending"] == 0 and at_the_end["failed"] == len(sources.failures)
    check_objects(sources, bucket, "out", versions_killed)
    assert container.run("verify", NAME)[0] == 0
