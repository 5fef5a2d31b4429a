"""Dockerfile and docker-compose.test.yml describe what they say, as far as that shows without Docker: syntax, names, ports, accounts,
files that exist. Where the client has `docker compose`, it reads the file as well."""

import json
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTIONS = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "ENV"}
SERVICE_KEYS = {"image", "build", "entrypoint", "command", "environment", "ports", "volumes", "depends_on", "healthcheck"}
ENVIRONMENT = runpy.run_path(str(ROOT / "scripts/test-environment"))


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.test.yml").read_text())


def instructions():
    """(instruction, rest) of the Dockerfile, with lines joined and comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def stages():
    return [re.fullmatch(r"(\S+) AS (\w+)", rest).groups() for word, rest in instructions() if word == "FROM"]


# Prevents a compose file that Docker refuses at its first line, or one that starts something else than `make setup-test`.
def test_compose_describes_the_test_environment(compose):
    assert set(compose) == {"services"}
    assert {"minio", "postgres", "spark-connect", "app"} <= set(compose["services"])
    published = {}
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS and ("image" in service) != ("build" in service), name
        for address, outside, inside in (port.split(":") for port in service["ports"]):
            assert address == "127.0.0.1", f"{name} is open to the network with accounts that everybody knows"
            published[name] = int(outside)
            assert outside == inside
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"} and "healthcheck" in compose["services"][needed], f"{name} waits for {needed}"
        if build := service.get("build"):
            assert build["context"] == "." and build["target"] in [stage for _, stage in stages()]
        for volume in service.get("volumes", []):
            assert (ROOT / volume.split(":")[0]).exists(), volume
    ours = {{"minio": "s3", "app": "service"}.get(name, name): port for name, port in published.items()}
    assert ours == ENVIRONMENT["PORTS"]
    environment = compose["services"]["postgres"]["environment"]
    assert set(environment.values()) == {ENVIRONMENT["ACCOUNT"]}
    assert {"minioadmin"} == {compose["services"]["minio"]["environment"][name] for name in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")}
    assert f"/data/{ENVIRONMENT['BUCKET']}" in compose["services"]["minio"]["entrypoint"][2]


# Prevents a compose file that only looks right to us.
def test_docker_reads_the_compose_file():
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("no `docker compose` here")
    done = subprocess.run(["docker", "compose", "-f", ROOT / "docker-compose.test.yml", "config", "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Prevents an image that cannot be built: an unknown instruction, a stage or a file that is not there.
def test_dockerfile_names_what_exists():
    found = list(instructions())
    assert found[0][0] == "FROM"
    known = []
    for word, rest in found:
        assert word in INSTRUCTIONS, word
        if word == "FROM":
            base, stage = re.fullmatch(r"(\S+) AS (\w+)", rest).groups()
            assert base in known or base.startswith("debian:bookworm"), base
            known.append(stage)
        elif word == "COPY":
            *sources, _ = shlex.split(rest)
            if sources[0].startswith("--from="):
                assert sources[0].removeprefix("--from=") in known
            else:
                missing = [source for source in sources if not (ROOT / source).exists()]
                assert not missing, f"COPY {missing}"
        elif word in ("CMD", "ENTRYPOINT"):
            assert all(isinstance(part, str) for part in json.loads(rest))


# Prevents an image whose program does not start because a library is missing: the package of every library that it asks for itself is
# installed there (those packages bring what they need), or comes from the wheel.
def test_the_image_has_every_library(program):
    if not shutil.which("dpkg-query"):
        pytest.skip("not a Debian machine")
    installed = {"libc6", "libgcc-s1", *" ".join(rest for word, rest in instructions() if word == "RUN").split()}
    where = dict(re.findall(r"(\S+) => (/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout))
    asked = re.findall(r"\(NEEDED\)[^\[]*\[([^\]]+)\]", subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout)
    missing = []
    for name in asked:
        if name not in where or "/pyarrow/" in where[name]:
            continue
        found = subprocess.run(["dpkg-query", "-S", f"*/{Path(where[name]).resolve().name}"], capture_output=True, text=True).stdout
        owners = {line.split(":")[0] for line in found.splitlines()}
        if not owners & installed:
            missing.append(f"{name} of {', '.join(owners) or where[name]}")
    assert asked and not missing, "\n".join(missing)
