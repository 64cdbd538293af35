"""The worker processes of one incarnation: who is free, who will be soon, and how they end."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from statistics import fmean

from transfers.engine.contracts import Stop
from transfers.engine.messages import Finished, Outcomes, ProgressMade
from transfers.engine.pool import Start, WorkerDied
from transfers.slave.worker import Worker

#: How long workers may take to clear away what they have just made once the lease is lost.
LET_GO_SECONDS = 2.0


class Crew:
    """Used by the main loop; the heartbeat's thread tells them the deadline."""

    def __init__(self, size: int, *, deadline: Callable[[], float], start: Start) -> None:
        """`deadline`: of the lease now, for those that begin (CLOCK_BOOTTIME)."""
        self._deadline, self._start = deadline, start
        self._workers = [self._new() for _ in range(size)]

    def _new(self) -> Worker:
        return Worker(self._deadline(), self._start)

    def __iter__(self) -> Iterator[Worker]:
        return iter(tuple(self._workers))

    def start(self) -> None:
        """Their processes, before there is anything for them to do."""
        for worker in self._workers:
            worker.start()

    def idle(self) -> list[Worker]:
        """Those without an assignment."""
        return [worker for worker in self._workers if not worker.is_busy]

    def busy(self) -> list[Worker]:
        """Those with one."""
        return [worker for worker in self._workers if worker.is_busy]

    @property
    def is_idle(self) -> bool:
        """Whether nobody has one."""
        return not self.busy()

    def wanted(self) -> int:
        """Batches that could be used now: one for each idle worker; and one ahead, if a worker will be free before
        another slave could take what we hold in reserve."""
        is_one_ahead = any(worker.batch is not None and worker.batch.is_brief for worker in self._workers)
        return len(self.idle()) + is_one_ahead

    def lead(self, reserve: Iterable[int]) -> float:
        """Files that whoever is free next can do until the others are, too, where these batches go to whoever is free:
        with so many more than its share it ends when they do."""
        left = [worker.left() for worker in self._workers]
        for files in reserve:
            left[left.index(min(left))] += files
        return fmean(left) - min(left)

    def set_lease_deadline(self, deadline: float) -> None:
        """Past that moment (CLOCK_BOOTTIME) nobody writes anything more. From any thread."""
        for worker in self:
            worker.set_lease_deadline(deadline)

    def ask_to_stop(self, kind: Stop) -> None:
        """All of them."""
        for worker in self._workers:
            worker.ask_to_stop(kind)

    def bury(self, worker: Worker) -> None:
        """Another one takes the place of one that died."""
        # First out of the list, which the heartbeat's thread goes through to set deadlines.
        self._workers[self._workers.index(worker)] = self._new()
        worker.kill()

    def let_go(self) -> None:
        """The lease is lost, which they find for themselves or are told: nothing is theirs any more. One that is ended
        at once may leave a partial that it has just made, and that nobody will ever look for."""
        end = time.monotonic() + LET_GO_SECONDS
        while (busy := self.busy()) and (left := end - time.monotonic()) > 0:
            for worker in select.select(busy, [], [], left)[0]:
                _hear_out(worker)

    def kill(self) -> None:
        """End their processes."""
        for worker in self._workers:
            worker.kill()


def _hear_out(worker: Worker) -> None:
    """Nothing that it asks for is its own."""
    try:
        message = worker.process.receive()
        if isinstance(message, Finished):
            worker.finished()
        elif not isinstance(message, Outcomes | ProgressMade):
            worker.process.reply(())
    except WorkerDied:
        worker.finished()
