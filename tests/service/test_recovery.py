"""What is left of a service that was killed, restarted, or is not alone."""

import os
import random
import threading
import time

import pytest

from server_process import free_port, wait_until

LONG = os.environ.get("SLUICE_TEST_LONG") == "1"
KILLS = 30 if LONG else 4


def slow_ingestion(service, files=60):
    """An ingestion that takes a batch, and so a commit, for each of its files."""
    for n in range(files):
        service.write(f"d{n:03}.json", range(n * 10, n * 10 + 10))
    return service.create(service.definition(batch={"files_max": 1}))


# Prevents: an ingestion that stays RUNNING for good after a crash, rows that are lost or doubled by what comes next.
def test_killed_during_a_run(make_service):
    service = make_service().start()
    ingestion = slow_ingestion(service)
    run = service.trigger(ingestion)
    wait_until(lambda: service.get(f"/ingestions/{ingestion}/processed-files")["total"], "the first file")
    service.kill()
    service.start()
    seen = service.ended(run)
    assert seen["status"] == "FAILED" and "died" in seen["error"]
    service.run(ingestion)
    assert service.ids() == list(range(600))
    assert service.get(f"/ingestions/{ingestion}/processed-files")["total"] == 60


# Prevents: a moment at which a kill loses or doubles a row, or leaves a run or a batch that nobody ends.
def test_killed_at_any_moment(make_service):
    chance = random.Random(4)
    service = make_service().start()
    ingestion = slow_ingestion(service, files=40)
    for n in range(KILLS):
        answer = service.call("POST", f"/api/v1/ingestions/{ingestion}/run")
        assert answer.status in (202, 409), answer
        time.sleep(chance.random() * 0.3)  # the moment is the point
        service.kill()
        service.write(f"more{n:03}.json", range(10_000 + n * 10, 10_000 + n * 10 + 10))
        service.start()
    wait_until(lambda: service.call("POST", f"/api/v1/ingestions/{ingestion}/run").status == 202, "the slot to be free")
    run = service.get(f"/ingestions/{ingestion}/runs?limit=1")["runs"][0]["run_id"]
    assert service.ended(run)["status"] == "COMPLETED"
    assert service.ids() == [*range(400), *range(10_000, 10_000 + 10 * KILLS)]
    assert service.ledger("select count(*) n from runs where status in ('PENDING', 'RUNNING')")[0]["n"] == 0


# Prevents: runs that waited when the service died and never begin.
def test_waiting_runs_survive_a_restart(make_service):
    service = make_service().start()
    service.write("a.json", [1])
    ingestion = service.create(service.definition())
    service.stop()
    left = service.command("run", ingestion, "--no-wait")
    assert left["status"] == "PENDING"
    service.command("run", ingestion, "--no-wait", code=1)
    service.start()
    assert service.ended(left["run_id"])["status"] == "COMPLETED"
    assert service.ids() == [1]


# Prevents: two servers that run one ingestion at once, take one run twice, or load a file twice.
def test_two_servers_share_a_ledger(make_service):
    first, second = make_service().start(), make_service()
    second.port = free_port()
    second.url = f"http://127.0.0.1:{second.port}"
    second.log = second.folder / "second.log"
    second.start()
    ingestions = []
    for name in ("a", "b", "c"):
        for n in range(10):
            first.write(f"{name}/d{n}.json", range(n * 10, n * 10 + 10))
        ingestions.append(first.create(first.definition(name, f"{name}/*.json", batch={"files_max": 2})))
    statuses = []

    def trigger(service):
        for _ in range(8):
            for ingestion in ingestions:
                statuses.append(service.call("POST", f"/api/v1/ingestions/{ingestion}/run").status)

    threads = [threading.Thread(target=trigger, args=(one,)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {202, 409} and 202 in statuses
    wait_until(lambda: first.ledger("select count(*) n from runs where status in ('PENDING', 'RUNNING')")[0]["n"] == 0, "all runs to end")
    for name in ("a", "b", "c"):
        assert first.ids(name) == list(range(100))
    for ingestion in ingestions:
        spans = first.ledger("select started_at, completed_at, status from runs where ingestion_id = ? order by started_at", ingestion)
        assert all(span["status"] == "COMPLETED" for span in spans)
        assert all(before["completed_at"] <= after["started_at"] for before, after in zip(spans, spans[1:])), spans
    assert len(first.ledger("select distinct holder from runs")) > 1


# Prevents: a schedule that a restart makes forget, and runs that overlap. In real time: only in the long run.
@pytest.mark.skipif(not LONG, reason="takes minutes; src/service/scheduler_test.cc has it with a clock of its own")
def test_a_schedule_of_every_minute(make_service):
    service = make_service().start()
    ingestion = service.create(service.definition(schedule="* * * * *"))
    assert service.get(f"/ingestions/{ingestion}")["next_run_at"]
    service.write("a.json", [1])
    wait_until(lambda: service.get(f"/ingestions/{ingestion}/processed-files")["total"] == 1, "the first firing", 90)
    service.stop()
    service.write("b.json", [2])
    service.start()
    wait_until(lambda: service.get(f"/ingestions/{ingestion}/processed-files")["total"] == 2, "the next firing", 90)
    assert service.ids() == [1, 2]
    runs = service.get(f"/ingestions/{ingestion}/runs")["runs"]
    assert {run["trigger"] for run in runs} == {"schedule"}
