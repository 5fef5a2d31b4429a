"""A disk that keeps only what was synced: what tests/crash/power_loss.cc remembers of a run becomes the folder that the next run finds."""

import shutil
from pathlib import Path


class PowerLoss:
    """Runs the program of a Home with the power going away before one of its syncs; `made_by_program` are the folders it makes there."""

    def __init__(self, home, made_by_program=(".sluice", "warehouse")):
        self.home, self.made_by_program = home, made_by_program
        self.state = home.folder.parent / f"{home.folder.name}-disk"
        self.library = home.program.parent / "libpower_loss.so"
        assert self.library.is_file(), f"{self.library} is not there: run `make build`"

    def run(self, *arguments, dies_at=0):
        """The exit code, and how many syncs there were; then the folder is as the disk has it."""
        self._take_as_synced()
        environment = {"LD_PRELOAD": str(self.library), "POWER_LOSS_STATE": str(self.state), "POWER_LOSS_AT": str(dies_at)}
        self.home.extra_environment = environment
        try:
            outcome = self.home.run(*arguments, code=None)
        finally:
            self.home.extra_environment = {}
        counter = self.state / "syncs"
        syncs = counter.stat().st_size if counter.exists() else 0
        self._make_as_on_disk()
        return outcome, syncs

    def _take_as_synced(self):
        shutil.rmtree(self.state, ignore_errors=True)
        for kind in ("files", "folders", "kept"):
            (self.state / kind).mkdir(parents=True)
        self._take(self.home.folder)

    def _take(self, folder):
        entries = sorted(folder.iterdir())
        names = b"".join(f"{entry.lstat().st_ino} {entry.name}\0".encode() for entry in entries)
        self._place("folders", folder).write_bytes(names)
        for entry in entries:
            if entry.is_dir():
                self._take(entry)
            else:
                shutil.copyfile(entry, self._place("files", entry))

    def _place(self, kind, path):
        return self.state / kind / str(path.stat().st_ino)

    def _make_as_on_disk(self):
        made = self.state / "made"
        synced = self._entries(self.home.folder.stat().st_ino)
        for name in self.made_by_program:
            lost = self.home.folder / name
            if name in synced:
                self._make(lost, synced[name], made / name)
            shutil.rmtree(lost, ignore_errors=True)
            if name in synced:
                (made / name).rename(lost)

    def _entries(self, inode):
        """{name: inode} of a folder at its last sync; a folder that was never synced is empty."""
        listing = self.state / "folders" / str(inode)
        if not listing.exists():
            return {}
        return {name: int(number) for number, _, name in (entry.partition(" ") for entry in listing.read_bytes().decode().split("\0") if entry)}

    def _make(self, seen, inode, to):
        """`seen`: where the folder lay, which says what is a folder: an inode does not."""
        to.mkdir(parents=True)
        for name, below in self._entries(inode).items():
            content = self.state / "files" / str(below)
            if (self.state / "folders" / str(below)).exists() or (seen / name).is_dir():
                self._make(seen / name, below, to / name)
            elif content.exists():
                shutil.copyfile(content, to / name)
            else:
                Path(to / name).touch()  # its name was synced, its bytes never
