"""The life of an ingestion over HTTP."""

import contextlib
import json
import re
import sqlite3

import pytest

from server_process import listens, wait_until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


# Prevents: answers that clients of the documented shapes cannot read, files loaded twice or not at all, a history out of order.
def test_an_ingestion_lives(service):
    files = [service.write(f"data-{n:03}.json", range((n - 1) * 10, n * 10)) for n in (1, 2, 3)]
    made = service.post("/ingestions", service.definition(schedule=None, tenant_id="acme", cluster_id="c1"), status=201)
    ingestion = made["ingestion_id"]
    assert made["status"] == "ACTIVE" and made["tenant_id"] == "acme" and made["cluster_id"] == "c1" and made["next_run_at"] is None
    assert made["source_config"]["file_pattern"] == "*.json" and made["destination_config"]["table"] == "orders"

    asked = service.post(f"/ingestions/{ingestion}/run", status=202)
    assert asked["status"] in ("PENDING", "RUNNING") and asked["trigger"] == "manual" and asked["files_processed"] == 0
    first = service.ended(asked["run_id"])
    assert (first["status"], first["error"], first["files_processed"]) == ("COMPLETED", None, 3), first
    assert first["metrics"]["records_written"] == 30 and first["metrics"]["files_failed"] == 0 and len(first["snapshots"]) == 1
    assert TIME.fullmatch(first["started_at"]) and TIME.fullmatch(first["completed_at"]) and first["duration_seconds"] > 0

    more = [service.write(f"data-{n:03}.json", range((n - 1) * 10, n * 10)) for n in (4, 5)]
    second = service.run(ingestion)
    assert second["files_processed"] == 2 and second["metrics"]["files_unchanged"] == 3 and second["metrics"]["records_written"] == 20
    third = service.run(ingestion)
    assert third["files_processed"] == 0 and third["metrics"]["records_written"] == 0 and third["snapshots"] == []
    assert service.ids() == list(range(50))

    processed = service.processed(ingestion)
    assert sorted(file["file_path"] for file in processed) == sorted(files + more)
    assert all(file["status"] == "PROCESSED" and file["records_ingested"] == 10 and TIME.fullmatch(file["processed_at"]) for file in processed)
    assert {file["file_path"] for file in processed[3:]} == set(more)
    history = service.get(f"/ingestions/{ingestion}/runs")
    assert history["total"] == 3 and [run["run_id"] for run in history["runs"]] == [third["run_id"], second["run_id"], first["run_id"]]


# Prevents: a bad file that takes the others with it, a reason without a place, a retry that loads what was loaded.
def test_a_corrupt_file_fails_alone_and_is_retried(service):
    for n in (1, 2, 3):
        service.write(f"data-{n}.json", range(n * 10, n * 10 + 10))
    bad = service.landing / "data-9.json"
    bad.write_text('{"id": 90}\n{"id": \n')
    ingestion = service.create(service.definition())
    run = service.run(ingestion)
    assert run["files_processed"] == 3 and run["metrics"]["files_failed"] == 1
    failed = service.files(ingestion, "FAILED")
    assert [file["file_path"] for file in failed] == [f"file://{bad}"]
    assert failed[0]["error_type"] == "ParseError" and failed[0]["line"] == 2 and failed[0]["byte"] >= 11 and "line 2" in failed[0]["error_message"]

    service.write("data-9.json", range(90, 100))
    asked = service.post(f"/runs/{run['run_id']}/retry", status=202)
    assert asked["trigger"] == "retry"
    assert service.ended(asked["run_id"])["files_processed"] == 1
    assert service.ids() == [*range(10, 40), *range(90, 100)]
    assert service.files(ingestion, "FAILED") == []


# Prevents: a paused ingestion that runs, a deleted one that is found, a table that goes with its definition.
def test_pause_resume_change_and_delete(service):
    service.write("a.json", range(3))
    ingestion = service.create(service.definition(schedule="0 3 * * *", timezone="Europe/Berlin"))
    assert service.post(f"/ingestions/{ingestion}/pause")["status"] == "PAUSED"
    assert service.get(f"/ingestions/{ingestion}")["next_run_at"] is None
    assert "PAUSED" in service.post(f"/ingestions/{ingestion}/run", status=409)["error"]["message"]
    resumed = service.post(f"/ingestions/{ingestion}/resume")
    assert resumed["status"] == "ACTIVE" and re.match(r".*T0[12]:00:00\.000000Z", resumed["next_run_at"])
    service.run(ingestion)

    changed = service.call("PATCH", f"/api/v1/ingestions/{ingestion}", {"schedule": None, "source_config": {"file_pattern": "b*.json"}}, status=200).json
    assert changed["schedule"] is None and changed["source_config"] == {"path": str(service.landing), "file_pattern": "b*.json"}
    service.write("b.json", range(10, 12))
    service.write("c.json", range(20, 22))
    assert service.run(ingestion)["files_processed"] == 1

    service.call("DELETE", f"/api/v1/ingestions/{ingestion}", status=204)
    for method, path in (("GET", ""), ("POST", "/run"), ("GET", "/runs"), ("DELETE", "")):
        service.call(method, f"/api/v1/ingestions/{ingestion}{path}", status=404)
    assert service.get("/ingestions")["total"] == 0
    assert service.ids() == [0, 1, 2, 10, 11]


# Prevents: two runs of one ingestion at once, and a 409 that does not say which run is in the way; the slot must be free once the run is over.
def test_a_second_trigger_is_told_of_the_first(service):
    service.write("d1.json", range(10))
    ingestion = service.create(service.definition())
    service.run(ingestion)
    service.write("d2.json", range(10, 20))
    with service.catalog_held():
        run = service.trigger(ingestion)
        refused = service.post(f"/ingestions/{ingestion}/run", status=409)["error"]
        assert refused["code"] == "conflict" and refused["details"][0]["run_id"] == run and run in refused["message"]
        # One that still waits in the queue would be cancelled with its ingestion.
        wait_until(lambda: service.get(f"/runs/{run}")["status"] == "RUNNING", "the run to begin")
        service.call("DELETE", f"/api/v1/ingestions/{ingestion}", status=409)
    service.ended(run)
    service.ended(service.trigger(ingestion))
    assert service.ids() == list(range(20))


# Prevents: a run that nobody can stop, a cancelled one that says COMPLETED, rows that are lost or doubled by the run after it.
def test_a_running_run_is_cancelled(service):
    service.write("d000.json", [0])
    ingestion = service.create(service.definition(batch={"files_max": 1}))
    service.run(ingestion)
    for n in range(1, 50):
        service.write(f"d{n:03}.json", [n])
    with service.catalog_held():
        run = service.trigger(ingestion)
        wait_until(lambda: service.ledger("select 1 from batches where run_id = ?", run), "the first batch")
        service.post(f"/runs/{run}/cancel", status=202)
    assert service.ended(run)["status"] == "CANCELLED"
    service.post(f"/runs/{run}/cancel", status=409)
    loaded = service.get(f"/ingestions/{ingestion}/processed-files")["total"]
    assert 1 <= loaded < 50
    assert service.run(ingestion)["files_processed"] == 50 - loaded
    assert service.ids() == list(range(50))


# Prevents: pages that repeat or leave out a row, a cursor that leads nowhere, a total of the page alone.
@pytest.mark.parametrize("listing, rows", [("files", "files"), ("processed-files", "processed_files"), ("runs", "runs")])
def test_lists_come_in_pages(service, listing, rows):
    for n in range(7):
        service.write(f"d{n}.json", [n])
    ingestion = service.create(service.definition())
    for _ in range(5 if listing == "runs" else 1):
        service.run(ingestion)
    whole = service.get(f"/ingestions/{ingestion}/{listing}")
    seen, cursor = [], ""
    while cursor is not None:
        page = service.get(f"/ingestions/{ingestion}/{listing}?limit=3" + (f"&cursor={cursor}" if cursor else ""))
        assert page["total"] == whole["total"] and len(page[rows]) <= 3
        seen, cursor = seen + page[rows], page["next_cursor"]
    assert seen == whole[rows] and len(seen) == whole["total"]


# Prevents: pages of ingestions that skip one of two of the same name.
def test_ingestions_come_in_pages(service):
    made = [service.create(service.definition(name)) for name in ("a", "b", "b", "c")]
    seen, cursor = [], ""
    while cursor is not None:
        page = service.get("/ingestions?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        seen, cursor = seen + [one["id"] for one in page["ingestions"]], page["next_cursor"]
    assert sorted(seen) == sorted(made) and page["total"] == 4
    assert [one["id"] for one in service.get("/ingestions?name=c")["ingestions"]] == made[3:]


# Prevents: files of schema mode approve that nobody can let go over the API, changes made that nobody was shown, an approval of nothing.
def test_changes_are_approved(service):
    (service.landing / "1.json").write_text('{"id": 1}\n')
    ingestion = service.create(service.definition(schema={"mode": "approve"}))
    service.run(ingestion)
    (service.landing / "2.json").write_text('{"id": 2, "city": "Rome"}\n')
    (service.landing / "3.json").write_text('{"id": 3, "size": 7}\n')
    assert service.run(ingestion)["files_processed"] == 0
    waiting = service.get(f"/ingestions/{ingestion}")["waiting_for_approval"]
    assert waiting == [{"changes": "add column city string", "files": 1}, {"changes": "add column size long", "files": 1}]
    refused = service.post(f"/ingestions/{ingestion}/approve", {"changes": ["add column town string"]}, status=409)["error"]
    assert refused["message"] == 'no file waits for "add column town string"'

    asked = service.post(f"/ingestions/{ingestion}/approve", {"changes": ["add column city string"]}, status=202)
    first = service.ended(asked["run_id"])
    assert first["files_processed"] == 1 and "add column city string" in first["schema_changes"] and service.ids() == [1, 2]
    assert service.get(f"/ingestions/{ingestion}")["waiting_for_approval"] == waiting[1:]
    second = service.ended(service.post(f"/ingestions/{ingestion}/approve", status=202)["run_id"])
    assert second["files_processed"] == 1 and service.ids() == [1, 2, 3]
    assert service.lake.table("shop.orders").schema().column_names[-2:] == ["city", "size"]
    service.post(f"/ingestions/{ingestion}/approve", status=409)


# Prevents: two ingestions or two runs because a client repeated its request after a lost answer; one key that answers another request.
def test_a_repeated_request_gets_its_first_answer(service):
    service.write("a.json", [1])

    def post(path, body, key, status):
        return service.call("POST", f"/api/v1{path}", body, headers={"Idempotency-Key": key}, status=status)

    first = post("/ingestions", service.definition(), "k1", 201)
    again = post("/ingestions", service.definition(), "k1", 201)
    assert again.json == first.json and again.headers["Idempotency-Replayed"] == "true"
    assert service.get("/ingestions")["total"] == 1
    assert post("/ingestions", service.definition("other"), "k1", 422).json["error"]["code"] == "invalid_input"
    ingestion = first.json["id"]
    run = post(f"/ingestions/{ingestion}/run", None, "k2", 202).json["run_id"]
    service.ended(run)
    assert post(f"/ingestions/{ingestion}/run", None, "k2", 202).json["run_id"] == run
    assert service.get(f"/ingestions/{ingestion}/runs")["total"] == 1
    post("/ingestions", {"name": "bad"}, "k3", 400)
    post("/ingestions", service.definition("good"), "k3", 201)


# Prevents: an explicit list that loads the folder, and one that reaches out of it.
def test_an_explicit_list_loads_just_its_files(service, tmp_path):
    wanted = service.write("b.json", [2])
    service.write("a.json", [1])
    ingestion = service.create(service.definition())
    run = service.post(f"/ingestions/{ingestion}/files", {"files": [wanted]}, status=202)["run_id"]
    assert service.ended(run)["files_processed"] == 1
    assert service.ids() == [2]
    (tmp_path / "elsewhere.json").write_text('{"id": 3}\n')
    service.post(f"/ingestions/{ingestion}/files", {"files": [str(tmp_path / "elsewhere.json")]}, status=403)
    (service.landing / "other.txt").write_text("3\n")
    service.post(f"/ingestions/{ingestion}/files", {"files": [str(service.landing / "other.txt")]}, status=422)


# Prevents: checks that say yes to everything: an empty folder, a catalog file that is none.
def test_check_explains(service):
    service.write("a.json", [1])
    ingestion = service.create(service.definition())
    checked = service.post(f"/ingestions/{ingestion}/check")
    assert checked["ok"] and [one["check"].split()[-2:] for one in checked["checks"][1:]] == [["source", "main"], ["catalog", "local"]]
    config = {"path": str(service.landing / "gone"), "file_pattern": "*.json"}
    missing = service.create({**service.definition("missing"), "source_config": config})
    assert service.post(f"/ingestions/{missing}/check")["checks"][1]["message"] == "lists 0 file(s)"
    service.stop()
    (service.folder / ".sluice/catalog.db").write_bytes(b"no catalog" * 1000)
    service.process = None
    service.ready = lambda: service.call("GET", "/healthz").status == 200 if listens(service.port) else False
    service.start()
    service.call("GET", "/readyz", status=503)
    checked = service.post(f"/ingestions/{ingestion}/check")
    assert not checked["ok"] and [one["ok"] for one in checked["checks"]] == [True, True, False] and checked["checks"][2]["message"]


# Prevents: ingestions of sluice.yaml that the service does not know, or that the API changes behind the file's back.
def test_ingestions_of_the_file_live_beside_those_of_the_api(make_service, tmp_path):
    orders = {"source": {"paths": str(tmp_path / "service/landing/*.json")}, "table": "shop.orders", "on_change": "ignore"}
    service = make_service(settings={"ingestions": {"orders": orders}}).start()
    service.write("a.json", [1])
    made = service.create(service.definition("api"))
    listed = {one["name"]: one for one in service.get("/ingestions")["ingestions"]}
    assert listed["api"]["id"] == made and (listed["orders"]["managed_by"], listed["api"]["managed_by"]) == ("file", "api")
    of_file = listed["orders"]["id"]
    service.run(of_file)
    assert service.ids() == [1]
    service.call("PATCH", f"/api/v1/ingestions/{of_file}", {"schedule": "* * * * *"}, status=409)
    service.call("DELETE", f"/api/v1/ingestions/{of_file}", status=409)
    (tmp_path / "private.json").write_text('{"id": 2}\n')  # who may trigger it may not choose what it reads
    service.post(f"/ingestions/{of_file}/files", {"files": [str(tmp_path / "private.json")]}, status=422)
    assert service.command("status", "orders")["files"]["done"] == 1
    service.stop()
    service.start()
    assert {one["id"] for one in service.get("/ingestions")["ingestions"]} == {made, of_file}


# Prevents: an ingestion that left sluice.yaml, or was renamed there, and goes on by its schedule for ever: no call could end it.
def test_an_ingestion_that_left_the_file_runs_no_more(make_service, tmp_path):
    def settings(name):
        source = {"paths": str(tmp_path / "service/landing/*.json")}
        return {"ingestions": {name: {"source": source, "table": "shop.orders", "on_change": "ignore", "schedule": "* * * * *"}}}

    service = make_service(settings=settings("old")).start()
    service.write("a.json", [1])
    left = service.get("/ingestions?name=old")["ingestions"][0]["id"]
    service.run(left)
    assert service.stop() == 0
    service.configure(settings("new"))
    service.start()
    stays = service.get("/ingestions?name=new")["ingestions"][0]["id"]
    assert "sluice.yaml" in service.post(f"/ingestions/{left}/run", status=409)["error"]["message"]
    service.stop()
    with contextlib.closing(sqlite3.connect(service.folder / ".sluice/ledger.db")) as ledger, ledger:
        ledger.execute("update ingestions set schedule_from = '2020-01-01T00:00:00.000000Z'")  # both are due
    service.start()
    wait_until(lambda: service.get(f"/ingestions/{stays}/runs")["total"], "the schedule of the one that stays")
    assert service.get(f"/ingestions/{left}/runs")["total"] == 1
    service.call("DELETE", f"/api/v1/ingestions/{left}", status=204)
    service.call("DELETE", f"/api/v1/ingestions/{stays}", status=409)


# Prevents: a run handed over by the command line that no server takes.
def test_a_run_handed_over_is_taken(service):
    service.write("a.json", [1, 2])
    ingestion = service.create(service.definition())
    left = service.command("run", ingestion, "--no-wait")
    assert left["status"] == "PENDING" and left["trigger"] == "cli"
    assert service.ended(left["run_id"])["files_processed"] == 1
    assert service.command("run", ingestion)["metrics"]["files_unchanged"] == 1


# Prevents: a server that hangs on SIGTERM while runs are at work, or loses what they did.
def test_sigterm_during_a_run_ends_within_seconds(service):
    for n in range(200):
        service.write(f"d{n:03}.json", [n])
    ingestion = service.create(service.definition(batch={"files_max": 1}))
    run = service.trigger(ingestion)
    wait_until(lambda: service.get(f"/ingestions/{ingestion}/processed-files")["total"], "the first file")
    assert service.stop() == 0
    assert service.ledger("select status from runs where id = ?", run)[0]["status"] == "CANCELLED"
    assert service.ledger("select count(*) n from batches where state in ('STAGING', 'PREPARED', 'WITHDRAWING')")[0]["n"] == 0
    service.start()
    service.run(ingestion)
    assert service.ids() == list(range(200))


# Prevents: a wrong table name, an unknown catalog or a bad schedule that is accepted and fails at night.
@pytest.mark.parametrize(
    "change, field",
    [
        ({"schedule": "61 * * * *"}, "minute"),
        ({"schedule": "* * * * *", "timezone": "Mars/Olympus"}, "time zone"),
        ({"destination_config": {"catalog": "nope", "database": "d", "table": "t"}}, "destination_config.catalog"),
        ({"destination_config": {"database": "d", "table": "a.b"}}, "destination_config.table"),
        ({"source_config": {"path": "relative"}}, "source_config.path"),
        ({"source_config": {"path": "/x", "bucket": "b", "access_key": "k"}}, "access_key"),
        ({"format_type": "WORDPERFECT"}, "wordperfect"),
        ({"partition_by": ["nonsense(id)"]}, "nonsense"),
        ({"start_from": "yesterday"}, "yesterday"),
        ({"table_properties": {"write.parquet.compression-codec": "zip"}}, "write.parquet.compression-codec"),
    ],
)  # fmt: skip
def test_definitions_that_cannot_work_are_refused(service, change, field):
    refused = service.post("/ingestions", {**service.definition(), **change}, status=422)["error"]
    assert field in refused["message"], refused


# Prevents: metrics and logs that say nothing of a run, and lines that are no JSON.
def test_runs_show_in_metrics_and_log(service):
    service.write("a.json", [1, 2, 3])
    ingestion = service.create(service.definition())
    run = service.run(ingestion)["run_id"]
    metrics = wait_until(
        lambda: (text := service.call("GET", "/metrics", status=200).body.decode()) and 'sluice_runs_total{status="COMPLETED"} 1' in text and text,
        "the run in the metrics",
    )
    assert "sluice_run_rows_total 3" in metrics and 'sluice_http_requests_total{operation="runIngestion",status="202"} 1' in metrics
    assert service.stop() == 0
    lines = [json.loads(line) for line in service.said().splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines if line.get("run_id") == run]
    assert events == ["run", "discovered", "claimed", "schema", "publishing", "confirmed", "metrics"]
    figures = [line for line in lines if line["event"] == "metrics"]
    assert len(figures) == 1 and figures[0]["records_written"] == 3 and figures[0]["ingestion_id"] == ingestion
    requests = [line for line in lines if line["event"] == "request"]
    assert all(line["request_id"] and line["status"] for line in requests)
