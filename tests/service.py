"""`sluice serve` and its REST API, as a client on the same machine uses it."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from server_process import as_user, free_port, wait_until

RUN_S = 120
START_S = 30
STOP_S = 20
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class Answer:
    """A status and a body."""

    def __init__(self, asked, status, headers, body):
        self.asked, self.status, self.headers, self.body = asked, status, headers, body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"not JSON: {self}") from None

    def __str__(self):
        return f"{self.asked}: {self.status}\n{self.body.decode(errors='replace')[:4000]}"


class Api:
    """The REST API at a base URL."""

    def __init__(self, url, token=None):
        self.url, self.token = url, token

    def call(self, method, path, body=None, *, status=None, headers=None, timeout=30):
        """One request; `body` goes as JSON (bytes: as they are). `status`: what it must answer, None: anything."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})})
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                answer = Answer(f"{method} {path}", response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            answer = Answer(f"{method} {path}", error.code, error.headers, error.read())
        assert status is None or answer.status == status, f"expected {status}: {answer}"
        return answer

    def get(self, path, status=200):
        return self.call("GET", f"/api/v1{path}", status=status).json

    def post(self, path, body=None, status=200):
        return self.call("POST", f"/api/v1{path}", body, status=status).json

    def create(self, definition):
        """POST /ingestions; returns the new ingestion's id."""
        made = self.post("/ingestions", definition, status=201)
        assert made["status"] == "ACTIVE" and made["ingestion_id"] == made["id"], made
        return made["ingestion_id"]

    def trigger(self, ingestion):
        """Starts a run and returns its id."""
        return self.post(f"/ingestions/{ingestion}/run", status=202)["run_id"]

    def ended(self, run, timeout=RUN_S):
        """The run, once it has ended."""
        return wait_until(lambda: self._if_ended(run), f"run {run} to end", timeout)

    def _if_ended(self, run):
        seen = self.get(f"/runs/{run}")
        return seen if seen["status"] in ENDED else None

    def run(self, ingestion, status="COMPLETED"):
        """Triggers a run, waits for its end and checks how it ended."""
        seen = self.ended(self.trigger(ingestion))
        assert seen["status"] == status, seen
        return seen

    def processed(self, ingestion):
        listed = self.get(f"/ingestions/{ingestion}/processed-files?limit=1000")
        assert listed["total"] == len(listed["processed_files"]), listed["total"]
        return listed["processed_files"]

    def files(self, ingestion, status=None):
        return self.get(f"/ingestions/{ingestion}/files?limit=1000" + (f"&status={status}" if status else ""))["files"]


class Service(Api):
    """A server process with a folder and a sluice.yaml of its own; the same folder and port after a restart."""

    def __init__(self, program, folder, settings, environment=None, arguments=()):
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.program, self.folder, self.arguments = program, Path(folder), arguments
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        self.environment = {**kept, "AWS_EC2_METADATA_DISABLED": "true", **(environment or {})}
        self.configure(settings)
        self.log = self.folder / "serve.log"
        self.process = None

    def configure(self, settings):
        """Writes sluice.yaml anew; a server reads it when it starts."""
        (self.folder / "sluice.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*as_user(None, signal.SIGKILL), self.program, "serve", "--listen", f"127.0.0.1:{self.port}", *self.arguments],
                cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(lambda: self.process.poll() is not None or self.ready(), "sluice serve", START_S)
        assert self.process.poll() is None, f"sluice serve ended with {self.process.returncode}:\n{self.said()[-4000:]}"
        return self

    def ready(self):
        try:
            return self.call("GET", "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self):
        """SIGKILL, now."""
        return self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process is None:
            return None
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self.process.wait()
