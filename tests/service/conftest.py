"""A service on local files, with the embedded ledger and catalog: what it does of itself. tests/e2e has it on a lake."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from judges import Lake  # noqa: E402
from service import Service  # noqa: E402


class LocalService(Service):
    """`sluice serve` in a folder of its own; LOCAL sources lie below `landing`."""

    def __init__(self, program, folder, arguments=(), settings=None, environment=None):
        self.landing = Path(folder) / "landing"
        self.landing.mkdir(parents=True, exist_ok=True)
        super().__init__(program, folder, settings or {}, environment, ["--source-root", str(self.landing), *arguments])
        self.lake = Lake(self.folder / ".sluice/catalog.db", self.folder / "warehouse")

    def definition(self, name="orders", pattern="*.json", **more):
        return {
            "name": name,
            "source_type": "LOCAL",
            "source_config": {"path": str(self.landing), "file_pattern": pattern},
            "destination_config": {"database": "shop", "table": name},
            "format_type": "JSON",
            **more,
        }  # fmt: skip

    def write(self, name, ids):
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps({"id": i, "name": f"n{i}"}) + "\n" for i in ids))
        return f"file://{path}"

    def ids(self, table="orders"):
        return sorted(self.lake.table(f"shop.{table}").scan(selected_fields=("id",)).to_arrow()["id"].to_pylist())

    def ledger(self, query, *parameters):
        connection = sqlite3.connect(f"file:{self.folder}/.sluice/ledger.db?mode=ro", uri=True, timeout=30)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, parameters)]
        finally:
            connection.close()

    @contextlib.contextmanager
    def catalog_held(self):
        """Meanwhile no run can commit: it lasts, however long the questions that are asked of it take."""
        connection = sqlite3.connect(self.folder / ".sluice/catalog.db", isolation_level=None, timeout=30)
        try:
            connection.execute("begin immediate")
            yield
        finally:
            connection.close()

    def command(self, *arguments, code=0):
        """Another `sluice` in the same folder; what it printed with --json."""
        done = subprocess.run([self.program, *map(str, arguments), "--json"], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def new_token(self, tenant):
        return self.command("token", "create", "--tenant", tenant)


@pytest.fixture
def make_service(program, tmp_path):
    """Makes services (not started) and ends them all."""
    made = []

    def make(folder="service", **options):
        one = LocalService(program, tmp_path / folder, **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def service(make_service):
    return make_service().start()
