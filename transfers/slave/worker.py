"""One worker process and what it has in hand."""

from __future__ import annotations

import time

from jobs.transitions import Claimed
from transfers.engine.contracts import Assignment, Stop
from transfers.engine.pool import Start, WorkerProcess, execute
from transfers.slave.claims import Batch


class Worker:
    """A worker process together with the claimed tasks it has not answered for yet. The process starts with its first
    assignment: a sync that finds nothing to do never needs one."""

    def __init__(self, deadline: float, start: Start = execute) -> None:
        self.batch: Batch | None = None
        self.number = 0
        """Of its latest assignment."""
        self.open: dict[int, Claimed] = {}
        self.begun_at = 0.0
        self._begun, self._files_per_second = 0.0, 0.0
        self.uploads: set[int] = set()
        """Ids of tasks that have an unfinished upload in the database."""
        self.stop_asked = Stop.NONE
        self._deadline, self._start = deadline, start
        self._process: WorkerProcess | None = None

    def start(self) -> WorkerProcess:
        """Its process, if it has none."""
        if self._process is None:
            process = WorkerProcess(self._start)
            self._process = process
            process.set_lease_deadline(self._deadline)  # the latest: the heartbeat's thread may have come in between
        return self._process

    @property
    def process(self) -> WorkerProcess:
        """The process; started if it was not."""
        return self.start()

    def fileno(self) -> int:
        """For select, once it is started."""
        return self.process.fileno()

    @property
    def is_started(self) -> bool:
        """Whether it has a process to listen to."""
        return self._process is not None

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def is_busy(self) -> bool:
        """Whether it has an assignment."""
        return self.batch is not None

    def set_lease_deadline(self, deadline: float) -> None:
        """Past that moment (CLOCK_BOOTTIME) it writes nothing more. From any thread."""
        self._deadline = deadline
        if self._process is not None:
            self._process.set_lease_deadline(deadline)

    def assign(self, batch: Batch, assignment: Assignment) -> None:
        """Hand over a batch. Raises WorkerDied."""
        self.batch = batch
        self.open = {task.id: task for task in batch.tasks}
        self.uploads = {work.task_id for work in assignment.works if work.token}
        self.begun_at, self._begun = time.time(), time.monotonic()
        self.number = assignment.number
        self.stop_asked = Stop.NONE
        self.process.assign(assignment)

    def ask_to_stop(self, kind: Stop) -> None:
        """Once per kind; a cancel overrides a release."""
        if self.is_busy and kind > self.stop_asked:
            self.stop_asked = kind
            self.process.stop(kind)

    def left(self) -> float:
        """Files that it still has, if it does as many in a second as of its last batch."""
        return max(0.0, len(self.open) - self._files_per_second * (time.monotonic() - self._begun))

    def finished(self) -> None:
        """Free again."""
        if self.batch is not None:
            self._files_per_second = len(self.batch.tasks) / max(1e-6, time.monotonic() - self._begun)
        self.batch = None
        self.open = {}

    def kill(self) -> None:
        """End its process, if it has one."""
        if self._process is not None:
            self._process.kill()
