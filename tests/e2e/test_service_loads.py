"""What the platform does beyond the plain case: broken files, things that are down, changing columns, CSV, schedules."""

import datetime
import os
import uuid

import pytest

from program import as_csv, numbered
from server_process import wait_until
from test_incremental_load import ROWS_PER_FILE, counted, record, records_of

pytestmark = [
    pytest.mark.e2e, pytest.mark.requires_spark, pytest.mark.requires_minio,
    pytest.mark.parametrize("stack", ["sql"], indirect=True, scope="session"),  # one kind of catalog is enough here
]  # fmt: skip


@pytest.fixture
def bucket(stack):
    return stack.s3.make_bucket(f"test-bucket-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def table():
    return f"test_table_{uuid.uuid4().hex[:8]}"


def ids(stack, table):
    return sorted(row["id"] for row in stack.lake.rows(f"test_db.{table}", columns=("id",)))


# Prevents one broken file from stopping the four beside it, a message that sends nobody to the place, and a retry that reads the others
# again.
def test_a_corrupt_file_among_five(stack, bucket, table):
    for number in (1, 2, 3, 4, 5):
        stack.put_rows(bucket, f"data-{number:03}.json", records_of(number)[:10])
    broken = stack.s3.client.get_object(Bucket=bucket, Key="data-003.json")["Body"].read().splitlines(keepends=True)
    broken[6] = broken[6][:20] + b"\n"
    stack.put(bucket, "data-003.json", b"".join(broken))
    ingestion = stack.api.create(stack.definition(bucket, table))
    run = stack.api.run(ingestion)
    assert run["metrics"]["files_processed"] == 4 and run["metrics"]["files_failed"] == 1 and run["metrics"]["records_written"] == 40
    (failed,) = stack.api.files(ingestion, status="FAILED")
    assert failed["file_path"] == f"s3://{bucket}/data-003.json" and failed["error_type"] == "ParseError"
    start = sum(map(len, broken[:6]))
    assert failed["line"] == 7 and start < failed["byte"] <= start + len(broken[6])
    assert "line 7" in failed["error_message"] and f"byte {failed['byte']}" in failed["error_message"]

    stack.put_rows(bucket, "data-003.json", records_of(3)[:10])
    retried = stack.api.ended(stack.api.post(f"/ingestions/{ingestion}/retry", status=202)["run_id"])
    assert retried["status"] == "COMPLETED" and retried["metrics"]["files_processed"] == 1 and retried["metrics"]["records_written"] == 10
    assert ids(stack, table) == sorted(row["id"] for number in range(1, 6) for row in records_of(number)[:10])
    assert not stack.api.files(ingestion, status="FAILED")


# Prevents a run that says COMPLETED, or nothing, when its source cannot be read, and files that are lost or doubled by the repair.
@pytest.mark.parametrize("what", ["secret", "bucket"])
def test_a_source_that_cannot_be_read(stack, table, what):
    name = f"test-bucket-{uuid.uuid4().hex[:8]}"
    wrong = {"secret_key": "no-such-secret"} if what == "secret" else {}
    if what == "secret":
        stack.s3.make_bucket(name)
        stack.put_rows(name, "data-001.json", records_of(1))
    ingestion = stack.api.create(stack.definition(name, table, source_config=wrong))
    run = stack.api.run(ingestion, status="FAILED")
    assert name in run["error"], run["error"]
    assert ("no-such-secret" not in run["error"]) and run["metrics"]["files_processed"] == 0
    if what == "secret":
        source = stack.definition(name, table)["source_config"]
        stack.api.call("PATCH", f"/api/v1/ingestions/{ingestion}", {"source_config": source}, status=200)
    else:
        stack.s3.make_bucket(name)
        stack.put_rows(name, "data-001.json", records_of(1))
    again = stack.api.run(ingestion)
    assert again["metrics"]["records_written"] == ROWS_PER_FILE and ids(stack, table) == list(range(ROWS_PER_FILE))


# Prevents a changed schema that is applied without a word, or that stops the load: the run says what it did to the table.
def test_a_new_column_and_a_wider_type(stack, bucket, table):
    import pyarrow as pa

    catalog = stack.lake.pyiceberg
    catalog.create_namespace_if_not_exists("test_db")
    catalog.create_table(f"test_db.{table}", schema=pa.schema([pa.field("id", pa.int64()), pa.field("count", pa.int32())]))
    stack.put_rows(bucket, "data-001.json", [{"id": 1, "count": 5}])
    ingestion = stack.api.create(stack.definition(bucket, table))
    stack.api.run(ingestion)
    stack.put_rows(bucket, "data-002.json", [{"id": 2, "count": 3_000_000_000, "city": "Bern"}])
    run = stack.api.run(ingestion)
    changes = " / ".join(map(str, run["schema_changes"]))
    assert "city" in changes and "count" in changes and "long" in changes, run["schema_changes"]
    rows = [{"id": 1, "count": 5, "city": None}, {"id": 2, "count": 3_000_000_000, "city": "Bern"}]
    stack.lake.assert_judges_agree(f"test_db.{table}", rows)


# Prevents the service from knowing JSON only.
def test_incremental_load_csv(stack, bucket, table):
    for number in (1, 2, 3):
        stack.put(bucket, f"data-{number:03}.csv", as_csv(records_of(number)))
    definition = stack.definition(bucket, table, format_type="CSV", source_config={"file_pattern": "data-*.csv"})
    ingestion = stack.api.create(definition)
    assert stack.api.run(ingestion)["metrics"]["records_written"] == 3000
    for number in (4, 5):
        stack.put(bucket, f"data-{number:03}.csv", as_csv(records_of(number)))
    second = stack.api.run(ingestion)
    assert second["metrics"]["files_processed"] == 2 and second["metrics"]["records_written"] == 2000
    spark = stack.spark()
    try:
        assert counted(spark, stack.lake, table) == (5000, 5000, 0, 4999)
    finally:
        spark.stop()
    (row,) = stack.lake.rows(f"test_db.{table}", where=("id", "==", 4321))
    wanted = record(4321)
    assert (row["user_id"], row["value"]) == (wanted["user_id"], wanted["value"])
    assert row["timestamp"] == datetime.datetime.fromisoformat(wanted["timestamp"])


# Prevents a schedule that does not fire, fires twice at a time, or is forgotten by a restart. In real time: two minutes.
@pytest.mark.skipif(os.environ.get("SLUICE_TEST_LONG") != "1", reason="takes minutes: make test-all")
def test_a_schedule_in_real_time(stack, bucket, table):
    if not hasattr(stack.api, "start"):
        pytest.skip("restarts the service: not the one of make setup-test")
    ingestion = stack.api.create(stack.definition(bucket, table, schedule="* * * * *"))
    stack.put_rows(bucket, "data-001.json", numbered(10))
    first = wait_until(lambda: loaded(stack, ingestion, 1), "the schedule to load the first file", 90)
    assert first[0]["file_path"].endswith("data-001.json")
    stack.api.stop()
    stack.put_rows(bucket, "data-002.json", numbered(10, 11))
    stack.api.start()
    wait_until(lambda: loaded(stack, ingestion, 2), "the schedule to load the second file after a restart", 90)
    runs = stack.api.get(f"/ingestions/{ingestion}/runs")["runs"]
    assert {run["trigger"] for run in runs} == {"schedule"}
    spans = sorted((run["started_at"], run["completed_at"]) for run in runs)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False)), "two runs overlap"
    assert ids(stack, table) == list(range(1, 21))


def loaded(stack, ingestion, count):
    listed = stack.api.processed(ingestion)
    return listed if len(listed) >= count else None
