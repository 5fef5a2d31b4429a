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

import servers
from lakes import PostgresLake
from stack import CATALOG

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


# Prevents a value that Docker reads as another type than it was meant as (`off` is a truth, 5432 a number), and keys of our own making.
def test_compose_has_the_types_of_the_specification(compose):
    for name, service in compose["services"].items():
        values = [*service.get("environment", {}).values(), *service.get("command", []), *service.get("ports", []), *service.get("volumes", [])]
        assert all(isinstance(value, str) for value in values), name
        assert all(isinstance(part, str) for part in service.get("entrypoint", [])), name
        check = service.get("healthcheck", {})
        assert set(check) <= {"test", "interval", "timeout", "retries", "start_period"} and isinstance(check.get("retries", 1), int), name
        assert not check or (check["test"][0] in ("CMD", "CMD-SHELL") and re.fullmatch(r"\d+(ms|s|m)", check["interval"])), name
        assert set(service.get("build", {})) <= {"context", "target", "dockerfile", "args"}, name


# Prevents an environment that is named in one place and expected in another: a secret that nobody sets, accounts that differ, a REST catalog
# or a Spark with other settings than those the tests have been run with.
def test_compose_sets_what_the_services_read(compose):
    services = compose["services"]
    example = (ROOT / "examples/lake/sluice.yaml").read_text()
    assert set(re.findall(r"\$\{env:(\w+)\}", example)) == set(services["app"]["environment"])
    minio, account = services["minio"]["environment"], ENVIRONMENT["ACCOUNT"]
    assert services["app"]["environment"] == {"POSTGRES_PASSWORD": account, "S3_SECRET": minio["MINIO_ROOT_PASSWORD"]}
    s3 = servers.S3("http://minio:9000", ENVIRONMENT["BUCKET"])
    written = yaml.safe_load(example)["catalogs"]["test_catalog"]
    assert {**s3.properties, "s3.secret-access-key": "${env:S3_SECRET}"} == {name: value for name, value in written.items() if name.startswith("s3.")}

    catalog = {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog", "io-impl": "org.apache.iceberg.io.ResolvingFileIO", "jdbc.schema-version": "V1",
        "uri": "jdbc:sqlite:/tmp/catalog.db", "warehouse": f"s3://{s3.bucket}/rest", "client.region": s3.region,
        **{name: value for name, value in s3.properties.items() if name != "s3.region"},
    }  # fmt: skip
    assert services["rest-catalog"]["environment"] == {**servers.rest_catalog_environment(catalog), "CATALOG_REST_PORT": str(ENVIRONMENT["PORTS"]["rest-catalog"])}

    postgres = servers.Postgres("postgres", 5432, account, account, account)
    lake = PostgresLake(postgres, s3, f"s3://{s3.bucket}/warehouse", CATALOG)
    wanted = {f"spark.sql.catalog.{CATALOG}.{name}": value for name, value in lake.spark_settings.items()}
    given = dict(word.removeprefix("--conf=").split("=", 1) for word in services["spark-connect"]["entrypoint"] if word.startswith("--conf="))
    assert wanted.items() <= given.items(), set(wanted.items()) - set(given.items())


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
