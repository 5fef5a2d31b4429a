"""An S3 server whose disk is full."""

import io
import subprocess
import uuid

import pyarrow.parquet as pq
import pytest
import yaml

import servers
from program import numbered, numbered_json
from server_process import Host
from stack import CATALOG

TABLE = "bronze.events"
DISK = "64m"


@pytest.fixture
def small_s3(tmp_path):
    """SeaweedFS on a disk of its own, and a function that fills that disk or (False) makes room again; needs the right to mount."""
    host = Host.temporary()
    disk = host.data("s3")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        host.stop()
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")

    def fill(full):
        ballast = disk / "ballast"
        if not full:
            ballast.unlink()
            return
        with open(ballast, "wb", buffering=0) as out, pytest.raises(OSError, match="No space"):
            while True:
                out.write(bytes(65536))

    try:
        yield servers.start_seaweedfs(host), fill
    finally:
        for server in host.servers.values():
            server.kill()
        subprocess.run(["umount", "-l", disk], check=True)
        host.stop()


# Prevents rows that are counted as loaded although their object was never stored, a message that does not say what is wrong, and a load
# that cannot go on once there is room.
def test_a_full_disk_behind_the_warehouse(small_s3, home):
    s3, fill = small_s3
    bucket = s3.make_bucket(f"full-{uuid.uuid4().hex[:8]}")
    catalog = {"type": "sql", "uri": "sqlite:.sluice/catalog.db", "warehouse": f"s3://{bucket}/warehouse", **s3.properties}
    settings = {"catalogs": {CATALOG: catalog}, "ingestions": {"events": {"source": {"id": "in", "paths": ["in/*.json"]}, "table": f"{CATALOG}.{TABLE}"}}}
    home.write("sluice.yaml", yaml.safe_dump(settings))
    home.write_rows("in/1.json", numbered(100))
    home.run("run", "events")
    fill(True)
    home.write("in/2.json", numbered_json(20_000, 101))
    failed = home.run("run", "events", "--json", code=1).json
    assert failed["status"] == "FAILED" and bucket in failed["error"] and failed["metrics"]["records_written"] == 0, failed
    fill(False)
    assert home.run("run", "events", "--json").json["metrics"]["records_written"] == 20_000
    listed = home.run("table", f"{CATALOG}.{TABLE}", "--json").json
    assert listed["rows"] == 20_100
    assert [one["records_ingested"] for one in home.run("files", "events", "--json").json["files"]] == [100, 20_000]


# Prevents files that fail, objects that are half there, or states that do not add up, because the store of a converter has no room for
# a while; and a conversion that cannot go on, or does again what was done, once there is room.
def test_a_full_disk_behind_the_objects(small_s3, home):
    s3, fill = small_s3
    bucket = s3.make_bucket(f"full-{uuid.uuid4().hex[:8]}")
    home.extra_environment = s3.environment
    arguments = ("load", "in", "--parquet", f"s3://{bucket}/out", "--name", "objects", "--s3-endpoint", s3.endpoint, "--json")
    for number in range(3):
        home.write_rows(f"in/first/{number}.json", numbered(100, 1 + 100 * number))
    home.run(*arguments)
    fill(True)
    for number in range(6):
        home.write(f"in/second/{number}.json", numbered_json(20_000, 1 + 20_000 * number))
    failed = home.run(*arguments, code=1).json
    assert failed["status"] == "FAILED" and bucket in failed["error"], failed
    inventory = home.run("status", "objects", "--inventory", "--json").json
    counts = {state: inventory[state] for state in ("done", "failed", "skipped", "pending")}
    assert counts["failed"] == counts["skipped"] == 0 and counts["done"] >= 3 and sum(counts.values()) == inventory["files"] == 9, counts
    there = {one["Key"]: one for one in s3.client.list_objects_v2(Bucket=bucket, Prefix="out/").get("Contents", [])}
    fill(False)
    home.run(*arguments)
    assert home.run("status", "objects", "--inventory", "--json").json["done"] == 9
    objects = {one["Key"]: one for one in s3.client.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]}
    assert len(objects) == 9 and all(objects[key]["LastModified"] == one["LastModified"] for key, one in there.items())
    verified = home.run("verify", "objects", "--json").json
    assert (verified["differences"], verified["source_changes"]) == ([], [])
    rows = {key: pq.read_metadata(io.BytesIO(s3.client.get_object(Bucket=bucket, Key=key)["Body"].read())).num_rows for key in objects}
    assert rows == {f"out/{name}.json.parquet": count for name, count in [
        *((f"first/{number}", 100) for number in range(3)), *((f"second/{number}", 20_000) for number in range(6)),
    ]}  # fmt: skip
