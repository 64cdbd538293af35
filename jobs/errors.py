"""What the control plane refuses, in a form that API, admin and commands can all show."""

from __future__ import annotations


class Refusal(Exception):
    """A request that can't be granted. Nothing was changed."""

    status = 400

    def __init__(self, code: str, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.hint = code, message, field, hint


class Conflict(Refusal):
    """The request clashes with the state of things (HTTP 409)."""

    status = 409


class MoveRefused(Conflict):
    """A move that its state machine does not have. Names both states."""

    def __init__(self, move: str, current: str, target: str) -> None:
        super().__init__(
            f"JOB_IS_{current.upper()}",
            f"The job is {current}; {move} would make it {target}, which is not possible from {current}.",
            hint="See docs/states.md for the moves that are.",
        )
        self.move, self.current, self.target = move, current, target
