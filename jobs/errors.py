"""What the control plane refuses, in a form that API, admin and commands can all show."""

from __future__ import annotations

from jobs.states import JobStatus


class Refusal(Exception):
    """A request that can't be granted. Nothing was changed."""

    status = 400

    def __init__(self, code: str, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.hint = code, message, field, hint

    @property
    def in_full(self) -> str:
        """What is refused, and what to do about it."""
        return f"{self.message} {self.hint}".strip()


class Conflict(Refusal):
    """The request clashes with the state of things (HTTP 409)."""

    status = 409


_IS: dict[str, str] = {
    JobStatus.RUNNING: "is running",
    JobStatus.PAUSED: "is paused",
    JobStatus.COMPLETED: "has completed",
    JobStatus.KILLED: "was killed",
}
_MADE: dict[str, str] = {
    JobStatus.RUNNING: "set running again",
    JobStatus.PAUSED: "paused",
    JobStatus.COMPLETED: "completed",
    JobStatus.KILLED: "killed",
}
_HINTS: dict[tuple[str, str], str] = {
    (JobStatus.COMPLETED, JobStatus.PAUSED): "There is nothing left to pause.",
    (JobStatus.COMPLETED, JobStatus.RUNNING): "Run it now instead: it is scanned again.",
    (JobStatus.KILLED, JobStatus.RUNNING): "A kill is final; create a new job.",
}


class MoveRefused(Conflict):
    """A move that its state machine does not have. Names both states."""

    def __init__(self, move: str, current: str, target: str) -> None:
        super().__init__(
            f"JOB_IS_{current.upper()}",
            f"The job {_IS[current]}; it can't be {_MADE[target]}.",
            hint=_HINTS.get((current, target), ""),
        )
        self.move, self.current, self.target = move, current, target
