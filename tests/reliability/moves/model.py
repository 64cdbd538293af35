"""What §4 of the design says of a job and its tasks, in plain Python: no SQL, no Django, nothing of SyncF's.

Each method is what somebody does; it changes the model as the rules demand and returns what the product has to answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

WAITING = ("pending", "retrying")
FINAL = ("completed", "failed", "skipped", "cancelled")


@dataclass
class Task:
    """One path."""

    kind: str
    status: str = "pending"
    epoch: int = 0
    attempts: int = 0
    owner: int | None = None
    """Number of an incarnation."""
    is_gone: bool = False
    checkpoints: list[int] = field(default_factory=list)


@dataclass
class Hold:
    """What an incarnation believes to have in hand."""

    owner: int
    path: bytes
    epoch: int


@dataclass
class Model:
    """A run-once job, its tasks in the order in which they were found, and who works on them."""

    max_attempts: int
    status: str = "running"
    is_parked: bool = False
    scan: str = ""
    """Of the unfinished scan: requested or started."""
    scan_epoch: int = 0
    last_scan_was_clean: bool = False
    is_scan_due: bool = False
    """Another scan has to come before the job can be completed."""
    tasks: dict[bytes, Task] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    """Incarnations whose lease is fresh."""

    # ── the scan ──────────────────────────────────────────────────────────────────────────────────────────────

    def discover(self, path: bytes, kind: str) -> bool:
        """A path seen for the first time; false if it is known."""
        if path in self.tasks:
            return False
        self.tasks[path] = Task(kind, "skipped" if kind == "special" else "pending")
        return True

    def see_change(self, path: bytes, read_status: str) -> bool:
        """The scan saw another source than the row says. It read the row's status a while ago: if that is another one
        by now, or the task is in somebody's hand, the row is left alone."""
        task = self.tasks[path]
        if task.status != read_status or task.status in ("in_progress", "cancelled"):
            return False
        task.status, task.attempts, task.is_gone = "pending", 0, False
        return True

    def see_gone(self, path: bytes) -> None:
        """It is not at the source any more: what waits is skipped, all else keeps its state."""
        task = self.tasks[path]
        task.is_gone = True
        if task.status in WAITING:
            task.status = "skipped"

    def see_back(self, path: bytes) -> None:
        """It is there again, as it was."""
        self.tasks[path].is_gone = False

    # ── slaves ────────────────────────────────────────────────────────────────────────────────────────────────

    def claim(self, slave: int, limit: int, *, directories: bool) -> list[Hold]:
        """The first waiting ones, at a new epoch; the attempt counts from now on. Nothing of a job that is paused,
        killed, completed or parked, and nothing for an incarnation whose lease is over."""
        if self.status != "running" or self.is_parked or slave not in self.live:
            return []
        found = [
            path
            for path, task in self.tasks.items()
            if task.status in WAITING and (task.kind == "directory") == directories
        ]
        if directories:
            found.sort(reverse=True)
        for path in found[:limit]:
            task = self.tasks[path]
            task.status, task.owner = "in_progress", slave
            task.epoch, task.attempts = task.epoch + 1, task.attempts + 1
        return [Hold(slave, path, self.tasks[path].epoch) for path in found[:limit]]

    def is_held(self, hold: Hold) -> bool:
        """Whether the task is still this incarnation's, at the epoch it knows."""
        task = self.tasks[hold.path]
        return task.status == "in_progress" and (task.owner, task.epoch) == (hold.owner, hold.epoch)

    def may_publish(self, hold: Hold) -> bool:
        """Nothing of a killed job gets its name."""
        return self.is_held(hold) and self.status != "killed"

    def checkpoint(self, hold: Hold, offset: int) -> bool:
        """Only its owner tells of progress. What was told of later bytes is forgotten."""
        if not self.is_held(hold):
            return False
        known = self.tasks[hold.path].checkpoints
        known[:] = [*(each for each in known if each < offset), offset]
        return True

    def settle(self, hold: Hold, status: str, *, gives_back: bool) -> bool:
        """The end of the work, if it is still theirs to end. Nothing unfinished is left of what is completed."""
        if not self.is_held(hold):
            return False
        task = self.tasks[hold.path]
        task.status, task.owner = status, None
        task.attempts -= gives_back
        if status == "completed":
            task.checkpoints = []
        return True

    def let_go(self, slave: int, held: Collection[bytes]) -> int:
        """What is the slave's by the rows, and not in its hand, waits again; nobody is to blame."""
        strays = [task for path, task in self.tasks.items() if task.owner == slave and path not in held]
        for task in strays:
            task.status, task.owner = "pending", None
            task.epoch, task.attempts = task.epoch + 1, task.attempts - 1
        return len(strays)

    def die(self, slave: int) -> int:
        """Its lease ran out and the reaper came by: fenced at once; a file that is always there when slaves die fails
        in the end."""
        self.live.discard(slave)
        owned = [task for task in self.tasks.values() if task.owner == slave]
        for task in owned:
            task.status = "failed" if task.attempts >= self.max_attempts else "retrying"
            task.owner, task.epoch = None, task.epoch + 1
        return len(owned)

    # ── operator ──────────────────────────────────────────────────────────────────────────────────────────────

    def move(self, name: str) -> bool | None:
        """pause, resume or kill; None: refused."""
        sources, target = {
            "pause": (("running",), "paused"),
            "resume": (("paused",), "running"),
            "kill": (("running", "paused", "completed"), "killed"),
        }[name]
        if self.status in sources:
            self.status = target
            return True
        return False if self.status == target else None

    def run_now(self) -> bool:
        """A scan is asked for; false: refused."""
        if self.status in ("paused", "killed") or self.scan:
            return False
        self.status, self.scan, self.is_parked = "running", "requested", False
        return True

    def retry(self) -> int | None:
        """Failed and skipped ones get all their attempts again; None: refused. The directories they lie in are looked
        after once more."""
        if self.status == "killed":
            return None
        again = [
            path
            for path, task in self.tasks.items()
            if task.status in ("failed", "skipped") and not task.is_gone and task.kind != "special"
        ]
        for path in again:
            self.tasks[path].status, self.tasks[path].attempts = "pending", 0
        for path in again:
            above = self.tasks.get(path.rstrip(b"/").rpartition(b"/")[0] + b"/")
            if above and above.status == "completed":
                above.status, above.attempts = "pending", 0
        if again and self.status == "completed":
            self.status = "running"
        return len(again)

    # ── scheduler ─────────────────────────────────────────────────────────────────────────────────────────────

    def begin_scan(self) -> bool:
        """A scheduler takes the scan that was asked for."""
        if self.scan != "requested" or self.status != "running":
            return False
        self.scan, self.scan_epoch = "started", self.scan_epoch + 1
        return True

    def end_scan(self, epoch: int, *, is_clean: bool) -> bool:
        """Only whoever performs it ends it. One that failed is repeated soon."""
        if self.scan != "started" or epoch != self.scan_epoch:
            return False
        self.scan, self.last_scan_was_clean, self.is_scan_due = "", is_clean, not is_clean
        self.scan_epoch = 0
        return True

    def tick(self) -> None:
        """Cancel what a killed job leaves waiting; complete a job of which nothing is left to do."""
        if self.status == "killed":
            for task in self.tasks.values():
                if task.status in WAITING:
                    task.status = "cancelled"
        is_through = all(task.status in FINAL for task in self.tasks.values())
        was_seen = not self.scan and self.last_scan_was_clean and not self.is_scan_due
        if self.status == "running" and is_through and was_seen:
            self.status = "completed"
