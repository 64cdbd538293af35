"""Whether a look at the database can find anything new, told without looking.

Who waits for a row asks for it many times a second, to lose no time when it comes; a look takes several statements.
SQLite tells in one, which reads no table, whether anybody has written since. PostgreSQL has no such thing: there every
look can find something.
"""

from __future__ import annotations

import time

from jobs import sql


class Changes:
    """For one thread that looks again and again at what depends on rows, and a little on time."""

    def __init__(self, patience_seconds: float) -> None:
        """`patience_seconds`: after that a look is worth it though nothing was written: something may be due."""
        self._patience = patience_seconds
        self._state: object = None
        self._due = 0.0

    @property
    def can_tell(self) -> bool:
        """Whether a look that is not worth it is noticed: then it costs next to nothing to ask often."""
        return self._state is not None

    def are_possible(self) -> bool:
        """Whether the look that follows can find what the last one that was said to be worth it did not. Ask before the
        look: what is written while it lasts makes another one worth it."""
        state, now = sql.state(), time.monotonic()
        if state is not None and state == self._state and now < self._due:
            return False
        self._state, self._due = state, now + self._patience
        return True
