"""The file systems that a group commit has to reach."""

from __future__ import annotations

import os

from storage_backends.local import system
from storage_backends.local.failures import failure


class Devices:
    """A descriptor on each, opened before anything was written there, so that syncfs reports what went wrong."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}

    def remember(self, fd: int, status: os.stat_result) -> None:
        """`fd`, of that status, lies on one of them."""
        if status.st_dev not in self._open:
            self._open[status.st_dev] = os.dup(fd)

    def sync(self) -> None:
        """All that was written to them is durable when this returns; raises StorageError."""
        for fd in self._open.values():
            try:
                system.syncfs(fd)
            except OSError as error:
                raise failure(error, b"") from error

    def close(self) -> None:
        """Idempotent."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
