"""Files that were written and are not durable yet. While they are few each is synced, beyond that one syncfs does for
all of them."""

from __future__ import annotations

import os

from storage_backends.local import system
from storage_backends.local.folders import SYNC_EACH_UP_TO, Folders


class Unsynced:
    """Those of one batch, by their descriptors."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._open: list[int] = []
        """Kept while they are few."""
        self._is_crowded = False
        """Some were closed without having been synced, so it takes a syncfs."""

    def add(self, fd: int) -> None:
        """Hands `fd` over. Raises OSError."""
        if not system.has_group_commit():
            system.fsync(fd)
            os.close(fd)
        elif len(self._open) < SYNC_EACH_UP_TO:
            self._open.append(fd)
        else:
            self._is_crowded = True
            os.close(fd)

    def sync(self) -> None:
        """All of them, and the entries of all directories that changed, are durable when this returns. Raises OSError,
        StorageError."""
        try:
            if self._is_crowded:
                self._folders.sync_everything()
            else:
                for fd in self._open:
                    system.fsync(fd)
                self._folders.sync_changed()
        finally:
            self.close()
        self._is_crowded = False

    def close(self) -> None:
        """Those that nobody wants durable any more. Idempotent."""
        for fd in self._open:
            os.close(fd)
        self._open.clear()
