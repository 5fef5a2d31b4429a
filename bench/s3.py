"""Measures `sluice load` from S3 into an S3 warehouse beside DuckDB's COPY (httpfs) on the same server, interleaved, as bench/run.py does.

    bench/s3.py [--only ndjson,tiny,requests] [--rounds 3] [--megabytes 260]

The server is SeaweedFS on this machine, started here: its CPU is not counted, but it takes its share of the cores. `requests` counts what
goes over the wire for each object.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import servers  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from run import COLUMNS, SLUICE, TABLE, WORK, fresh, make_events, make_tiny, measure  # noqa: E402
from server_process import Host  # noqa: E402

COUNTED_FILES = 500
UPLOAD_THREADS = 16
DUCKDB = """
import sys, duckdb
c = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
c.load_extension(sys.argv[1])
c.execute("set timezone = 'UTC'")
c.execute(sys.argv[2])
"""


def upload(s3, kind, source, files=None):
    """The files as objects below in/ of a bucket of their own; returns the bucket and its size in MB."""
    bucket, client = s3.make_bucket(f"bench-{kind}"), s3.client
    paths = sorted(source.iterdir())[:files]
    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        list(pool.map(lambda path: client.upload_file(str(path), bucket, f"in/{path.name}"), paths))
    return bucket, sum(path.stat().st_size for path in paths) / 1e6


def run_sluice(s3, bucket, rows):
    folder = fresh("sluice")
    command = [SLUICE, "load", f"s3://{bucket}/in/*.json", "--warehouse", f"s3://{s3.bucket}/{bucket}-{os.urandom(4).hex()}", "--table", TABLE, "--json"]
    measured = measure(command, folder)
    run = json.loads((folder / "output.txt").read_text())
    if run["metrics"]["records_written"] != rows:
        sys.exit(f"sluice wrote {run['metrics']['records_written']} rows, not {rows}")
    return measured


def run_duckdb(s3, bucket, tuned):
    folder = fresh("duckdb")
    extension = next(Path(find_spec("duckdb_extension_httpfs").origin).parent.glob("extensions/*/httpfs.duckdb_extension"))
    reader = f"read_json('s3://{bucket}/in/*.json'" + (f", columns={COLUMNS}, format='newline_delimited'" if tuned else "")
    target = f"to 's3://{s3.bucket}/duckdb-{os.urandom(4).hex()}{'' if tuned else '.parquet'}' (format parquet, compression zstd{', per_thread_output true' if tuned else ''})"
    secret = (
        f"create secret (type s3, key_id '{s3.access_key}', secret '{s3.secret_key}', region '{s3.region}', "
        f"endpoint '{s3.endpoint.removeprefix('http://')}', url_style 'path', use_ssl false); "
    )
    settings = "set preserve_insertion_order = false; " if tuned else ""
    return measure([sys.executable, "-c", DUCKDB, extension, f"{secret}{settings}copy (select * from {reader})) {target}"], folder)


def compare(kind, s3, source, rows, rounds):
    bucket, input_mb = upload(s3, kind, source)
    results = {"sluice": [], "duckdb": [], "duckdb tuned": []}
    for number in range(rounds + 1):
        for name, one in (
            ("sluice", lambda: run_sluice(s3, bucket, rows)),
            ("duckdb", lambda: run_duckdb(s3, bucket, False)),
            ("duckdb tuned", lambda: run_duckdb(s3, bucket, True)),
        ):
            measured = one()
            if number:
                results[name].append(measured)
    medians = {name: {key: statistics.median(getattr(one, key) for one in all_of) for key in asdict(all_of[0])} for name, all_of in results.items()}
    print(f"\n{kind} on S3: {input_mb:.0f} MB, {rows:,} rows, median of {rounds}")
    print(f"{'':14}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}   DuckDB/Sluice: CPU, wall, memory")
    for name, one in medians.items():
        ratios = "" if name == "sluice" else "   " + ", ".join(f"{one[key] / medians['sluice'][key]:.2f}" for key in ("cpu_s", "wall_s", "memory_mb"))
        print(f"{name:14}{one['cpu_s']:8.2f}{one['wall_s']:8.2f}{one['memory_mb']:9.0f}{ratios}")
    return {"input_mb": input_mb, "rows": rows, "rounds": {name: [asdict(one) for one in all_of] for name, all_of in results.items()}, "median": medians}


def count_requests(s3):
    """What a run asks the server for, counted by a proxy: per object, and beside the objects."""
    source, _ = make_tiny()
    bucket, _ = upload(s3, "requests", source, COUNTED_FILES)
    proxy = FaultProxy("127.0.0.1", int(s3.endpoint.rpartition(":")[2]), "http")
    os.environ["AWS_ENDPOINT_URL"] = proxy.url
    through = dataclasses.replace(s3, endpoint=proxy.url)
    rows = sum(path.read_bytes().count(b"\n") for path in sorted(source.iterdir())[:COUNTED_FILES])
    run_sluice(through, bucket, rows)
    requests = proxy.plan()
    proxy.close()
    os.environ["AWS_ENDPOINT_URL"] = s3.endpoint
    objects = [one for one in requests if one.split(" ")[1].startswith(f"/{bucket}/in/")]
    listings = [one for one in requests if "list-type=2" in one]
    by_method = {method: sum(one.startswith(method + " ") for one in objects) for method in ("GET", "HEAD", "PUT", "POST", "DELETE")}
    others = len(requests) - len(objects) - len(listings)
    print(f"\nrequests for {COUNTED_FILES} objects: {by_method}, {len(objects) / COUNTED_FILES:.2f} an object; {len(listings)} listings; {others} for the table")
    return {"objects": COUNTED_FILES, "by_method": by_method, "listings": len(listings), "table": others}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="ndjson,tiny,requests", help="which of ndjson, tiny, requests")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=260, help="size of the NDJSON input")
    chosen = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    host = Host.temporary()
    try:
        s3 = servers.start_s3(host)
        os.environ |= {**s3.environment, "AWS_ENDPOINT_URL": s3.endpoint}
        result = {}
        for kind in chosen.only.split(","):
            if kind == "requests":
                result[kind] = count_requests(s3)
            else:
                inputs = make_tiny() if kind == "tiny" else make_events("ndjson", chosen.megabytes)
                result[kind] = compare(kind, s3, *inputs, chosen.rounds)
        (WORK / "result-s3.json").write_text(json.dumps(result, indent=2))
    finally:
        host.stop()


if __name__ == "__main__":
    main()
