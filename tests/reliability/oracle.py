"""What must hold after every fault, and once everything has recovered. It imports nothing of SyncF.

Each function returns sentences; none means that all is well.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.reliability.lab import World

PARTIAL = ".syncf-"
Facts = tuple[object, ...]


def facts(root: Path, *, with_ctime: bool = False) -> dict[str, Facts]:
    """Everything below a directory: kind, mode, time, content."""
    found: dict[str, Facts] = {}
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(folder, name)
            found[str(path.relative_to(root))] = _facts(path, with_ctime)
    return found


def _facts(path: Path, with_ctime: bool) -> Facts:
    status = path.lstat()
    ctime = (status.st_ctime_ns, status.st_ino) if with_ctime else ()
    if stat.S_ISLNK(status.st_mode):
        return ("link", os.readlink(path), status.st_mtime_ns, *ctime)
    if stat.S_ISDIR(status.st_mode):
        return ("directory", stat.S_IMODE(status.st_mode), status.st_mtime_ns, *ctime)
    return ("file", stat.S_IMODE(status.st_mode), status.st_mtime_ns, status.st_size, digest(path), *ctime)


def digest(path: Path, size: int | None = None) -> bytes:
    """SHA-256 of a file, or of its beginning."""
    with path.open("rb") as file:
        return hashlib.sha256(file.read() if size is None else file.read(size)).digest()


class Oracle:
    """Knows how the world was before."""

    def __init__(self, world: World, *, minds_folder_times: bool = True) -> None:
        """`minds_folder_times` false: a folder's time may be another one after the recovery."""
        self.world, self._minds_folder_times = world, minds_folder_times
        self._old: dict[str, Facts] = {}
        self._epochs: dict[str, int] = {}
        self.learn_source()

    def learn_source(self) -> None:
        """What the source holds now is what is to arrive, and is not to be touched."""
        self._source = facts(self.world.source, with_ctime=True)
        self._outside = facts(self.world.outside, with_ctime=True)
        self._new = facts(self.world.source)

    def begin(self) -> None:
        """Before the first sync of an experiment."""
        self._old, self._epochs = facts(self.world.sink), {}

    def after_fault(self, *, is_kill: bool = False) -> list[str]:
        """I3 to I7 and I10: they hold at every moment."""
        now = facts(self.world.sink)
        return self._at_any_moment(now) + (self._checkpoints(now) if is_kill else [])

    def after_recovery(self, code: int) -> list[str]:
        """I1 besides: all arrived, and nothing is left over."""
        now = facts(self.world.sink)
        wrong = self._at_any_moment(now)
        if code != 0:
            wrong.append(f"the sync after it ended with {code}")
        odd = sorted(name for name in {*now, *self._new} if not self._is_same(now.get(name), self._new.get(name)))
        if odd:
            wrong.append(f"the sink is not like the source: {odd}")
        wrong += [f"{row['path_display']} is {row['status']}" for row in self._rows() if row["status"] != "completed"]
        for table in ("jobs_upload", "jobs_checkpoint"):
            if self._query(f"SELECT 1 FROM {table}"):
                wrong.append(f"{table} still has rows")
        return wrong

    def state(self) -> list[tuple[object, ...]]:
        """The sink's files, but for partials, and what the rows say of them."""
        rows = [
            (row["path_display"], row["status"], row["epoch"], row["checksum"], row["sink_version"], row["size"])
            for row in self._rows()
            if row["kind"] != "directory"
        ]
        found = facts(self.world.sink).items()
        files = [(name, *each) for name, each in found if each[0] != "directory" and PARTIAL not in name]
        return [*sorted(rows), *sorted(files, key=str)]

    def checkpoints(self) -> int:
        """How many there are."""
        return len(self._query("SELECT 1 FROM jobs_checkpoint"))

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _at_any_moment(self, now: dict[str, Facts]) -> list[str]:
        wrong = self._untouched()
        for name, found in now.items():
            if PARTIAL not in name:
                wrong += self._is_old_or_new(name, found)
        wrong += [f"{name} vanished" for name in self._old if name not in now and PARTIAL not in name]
        for row in self._rows():
            wrong += self._row(row, now)
        return wrong

    def _untouched(self) -> list[str]:
        wrong = []
        if facts(self.world.source, with_ctime=True) != self._source:
            wrong.append("the source was written")
        if facts(self.world.outside, with_ctime=True) != self._outside:
            wrong.append("something outside was touched")
        return wrong

    def _is_same(self, found: Facts | None, wanted: Facts | None) -> bool:
        if found and wanted and found[0] == wanted[0] == "directory" and not self._minds_folder_times:
            return found[1] == wanted[1]
        return found == wanted

    def _is_old_or_new(self, name: str, found: Facts) -> list[str]:
        if name not in self._new:
            return [f"{name} appeared at the sink"]
        if found[0] == "directory":
            return []
        old, new = self._old.get(name), self._new[name]
        content = (found[0], *found[3:]) if found[0] == "file" else found[:2]
        known = [(each[0], *each[3:]) if each[0] == "file" else each[:2] for each in (old, new) if each]
        return [] if content in known else [f"{name} is neither the old nor the new one, nor absent"]

    def _row(self, row: dict[str, Any], now: dict[str, Facts]) -> list[str]:
        name, wrong = os.fsdecode(row["path"]).rstrip("/"), []
        if row["epoch"] < self._epochs.get(name, 0):
            wrong.append(f"the epoch of {name} fell to {row['epoch']}")
        self._epochs[name] = row["epoch"]
        if row["status"] in ("failed", "retrying", "skipped") and not row["reason_code"]:
            wrong.append(f"{name} is {row['status']} without a reason")
        if row["status"] == "completed" and row["kind"] == "file":
            found = now.get(name)
            if found is None:
                wrong.append(f"{name} is completed and not there")
            elif found[0] != "file" or found[4] != row["checksum"]:
                wrong.append(f"{name} is completed and has other bytes than its checksum says")
            elif found[4] != self._new[name][4]:
                wrong.append(f"{name} is completed and has other bytes than the source")
        if row["status"] == "completed" and row["kind"] != "file" and name and name not in now:
            wrong.append(f"{name} is completed and not there")
        return wrong

    def _checkpoints(self, now: dict[str, Facts]) -> list[str]:
        """I5: the bytes that a checkpoint speaks of are there, in the partial or under the real name."""
        wrong = []
        query = "SELECT c.offset, c.sha256, t.path FROM jobs_checkpoint c JOIN jobs_task t ON t.id = c.task_id"
        for row in self._query(query):
            name = os.fsdecode(row["path"])
            folder = Path(name).parent
            partials = [each for each in now if PARTIAL in each and Path(each).parent == folder]
            held = [self.world.sink / each for each in [*partials, name] if each in now]
            if not any(digest(path, row["offset"]) == row["sha256"] for path in held):
                wrong.append(f"a checkpoint of {name} at {row['offset']:,} is true of no file")
        return wrong

    def _rows(self) -> list[dict[str, Any]]:
        return self._query("SELECT * FROM jobs_task")

    def _query(self, text: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.world.database, timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(text)]
