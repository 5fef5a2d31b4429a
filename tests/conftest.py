"""Fixtures for every Python test: a home of its own for the real binary, and the outside judges over its tables."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.register_assert_rewrite("judges", "program")

from judges import Lake  # noqa: E402
from program import Home  # noqa: E402


@pytest.fixture(scope="session")
def program():
    """The path of the built program."""
    path = Path(os.environ.get("SLUICE_BINARY", Path(__file__).resolve().parents[1] / "build/release/sluice"))
    assert path.is_file(), f"{path} is not there: run `make build`"
    return path


@pytest.fixture
def home(program, tmp_path):
    """An empty working folder: `home.load(...)` runs the program in it, `home.lake` is its catalog as the judges see it."""
    one = Home(program, tmp_path)
    yield one
    one.kill_all()


@pytest.fixture
def lake(tmp_path):
    """A catalog and warehouse made by the judges themselves, without our program."""
    return Lake(tmp_path / "catalog.db", tmp_path / "warehouse")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 8 MiB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
