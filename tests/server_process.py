"""Processes of real servers: ready by a condition, a log each, and gone at the end whatever happens to whoever started them.

A `Host` is a folder with the servers in it. In a test run the kernel kills every server together with the process that started it
(PR_SET_PDEATHSIG), also if that is killed itself; a detached host (`make setup-test`) leaves a pid file per server instead.
"""

import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_S = 120
STOP_S = 10
POLL_S = 0.03
START_ATTEMPTS = 3
HOST_FOLDERS = "sluice-servers-"
MEMORY = "/dev/shm"
MEMORY_FREE_MIN = 8 * 1024**3  # bytes; several test runs at once, each with a few hundred MiB


class NotStarted(Exception):
    """The server ended, or was not ready in time; the message has the end of its log."""


def free_port():
    """A loopback port that nobody listens on, below those that the kernel hands out for connections."""
    while True:
        port = random.randint(10_000, 19_999)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def answers(url, statuses=(200,), timeout=2):
    """Whether an HTTP GET has one of these statuses now."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.status in statuses
    except urllib.error.HTTPError as error:
        return error.code in statuses
    except OSError:
        return False


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, what, timeout=READY_S):
    """Returns the condition's first true value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(POLL_S)


def started_at(pid):
    """The kernel's start time of a process; None: there is none (any more). Tells a process from a later one with its number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Server:
    """One process (the leader of its own group); `pid` may belong to a detached server of an earlier command."""

    def __init__(self, name, pid, log, stop_signal, process=None, pid_file=None):
        self.name, self.pid, self.log, self.stop_signal = name, pid, Path(log), stop_signal
        self._process, self._pid_file, self._started_at = process, pid_file, started_at(pid)

    def alive(self):
        if self._process is not None:
            self._process.poll()  # collects it if it ended
        return self._started_at is not None and started_at(self.pid) == self._started_at

    def send(self, number):
        if self.alive():
            os.killpg(self.pid, number)

    def kill(self):
        """SIGKILL, now."""
        self.send(signal.SIGKILL)
        self._gone()

    def stop(self, timeout=STOP_S):
        """Asks it to end, then makes it."""
        self.send(self.stop_signal)
        try:
            wait_until(lambda: not self.alive(), f"stopping {self.name}", timeout)
        except TimeoutError:
            self.send(signal.SIGKILL)
        self._gone()

    def _gone(self):
        wait_until(lambda: not self.alive(), f"killing {self.name}", STOP_S)
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)


class Host:
    """A folder in which servers run: NAME/ is a server's data, logs/NAME.log what it says, pids/NAME.pid (if detached) who it is."""

    def __init__(self, folder, detached=False):
        self.folder, self.detached = Path(folder), detached
        self.servers = {}
        self._lock = None
        for part in ("logs", "pids"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        if detached:
            self._find_running()

    @classmethod
    def temporary(cls, in_memory=False):
        """A host that goes with this process, on a file system in memory if asked for and there is room. Folders of processes that were
        killed are removed on the way."""
        place = MEMORY if in_memory and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_FREE_MIN else tempfile.gettempdir()
        for stale in Path(place).glob(HOST_FOLDERS + "*"):
            remove_unless_used(stale)
        folder = Path(tempfile.mkdtemp(prefix=HOST_FOLDERS, dir=place))
        folder.chmod(0o755)  # a server may run as another user
        host = cls(folder)
        host._lock = open(folder / "lock", "w")
        fcntl.flock(host._lock, fcntl.LOCK_EX)
        return host

    def data(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name):
        return self.folder / "logs" / f"{name}.log"

    def start(self, name, command, ready, *, environment=None, stop_signal=signal.SIGKILL, user=None, ready_s=READY_S):
        """Starts `command` unless it runs already (detached hosts) and returns when ready() is true."""
        running = self.servers.get(name)
        if running and running.alive():
            return running
        log = self.log(name)
        with open(log, "ab") as out:
            process = subprocess.Popen(
                [*as_user(user, None if self.detached else stop_signal), *map(str, command)],
                cwd=self.folder, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        pid_file = self.folder / "pids" / f"{name}.pid" if self.detached else None
        server = self.servers[name] = Server(name, process.pid, log, stop_signal, process, pid_file)
        if pid_file:
            pid_file.write_text(f"{process.pid} {started_at(process.pid)} {int(stop_signal)}\n")
        try:
            wait_until(lambda: not server.alive() or ready(), name, ready_s)
        except TimeoutError:
            server.kill()
        if not server.alive():
            raise NotStarted(f"{name} did not start: {' '.join(map(str, command))}\n{log.read_text(errors='replace')[-4000:]}")
        return server

    def run(self, name, command, user=None):
        """Runs a command to its end; its words go to a log, too."""
        log = self.log(name)
        with open(log, "ab") as out:
            code = subprocess.call([*as_user(user, signal.SIGKILL), *map(str, command)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if code:
            raise NotStarted(f"{name} ended with {code}: {' '.join(map(str, command))}\n{log.read_text(errors='replace')[-4000:]}")

    def stop(self):
        """Stops every server, the last one first, and removes the folder of a temporary host."""
        for server in reversed(list(self.servers.values())):
            server.stop()
        if self._lock:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.close()

    def _find_running(self):
        for pid_file in sorted((self.folder / "pids").glob("*.pid"), key=lambda path: path.stat().st_mtime_ns):
            pid, began, stop_signal = pid_file.read_text().split()
            if started_at(int(pid)) == began:
                self.servers[pid_file.stem] = Server(pid_file.stem, int(pid), self.log(pid_file.stem), int(stop_signal), pid_file=pid_file)
            else:
                pid_file.unlink()


def remove_unless_used(folder):
    try:
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # in use, or just being made
        pass


def as_user(user, death_signal):
    """The command prefix that runs a command as this user (None: as we are) and kills it when its parent ends."""
    prefix = ["setpriv"]
    if death_signal is not None:
        prefix += ["--pdeathsig", signal.Signals(death_signal).name.removeprefix("SIG")]
    if user is not None and pwd.getpwuid(os.geteuid()).pw_name != user:
        # The capability lets it reach its folder below one that only root may enter.
        prefix += ["--reuid", user, "--regid", user, "--clear-groups", "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return prefix if len(prefix) > 1 else []


def start_on_free_ports(count, start):
    """start(*ports), again with others if somebody else took one in between."""
    for attempt in range(START_ATTEMPTS):
        try:
            return start(*(free_port() for _ in range(count)))
        except NotStarted:
            if attempt == START_ATTEMPTS - 1:
                raise
