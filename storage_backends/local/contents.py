"""What the directories that a batch has built have to hold, and whether they hold that and nothing else."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from storage_backends.errors import StorageError
from storage_backends.local.folders import Folders


class Content(NamedTuple):
    """Of one directory."""

    names: set[bytes]
    folders: set[bytes]
    """Those of the names that are directories."""


class Contents(dict[bytes, Content]):
    """By the path of the directory."""

    def add(self, folder: bytes, root: bytes) -> None:
        """A directory, and those that it lies in up to `root`, which is one of them or itself."""
        self.setdefault(folder, Content(set(), set()))
        while folder != root:
            folder, _, name = folder.rpartition(b"/")
            content = self.setdefault(folder, Content(set(), set()))
            if name in content.folders:  # as are those above
                break
            content.names.add(name)
            content.folders.add(name)

    def below(self, folder: bytes) -> list[bytes]:
        """The directory and all in it; what lies in one comes after it."""
        found = [folder]
        for each in found:
            found += [each + b"/" + name for name in self[each].folders]
        return found

    def is_whole(self, top: bytes, folders: Folders) -> bool:
        """Whether it holds what it has to and nothing else, as does everything below it. Each is listed once."""
        return all(_holds(folders, folder, self[folder].names) for folder in reversed(self.below(top)))


def _holds(folders: Folders, folder: bytes, names: set[bytes]) -> bool:
    """False if it can't be listed: its files are moved one by one, and each says what is wrong."""
    with suppress(OSError, StorageError):
        directory_fd = folders.get(folder, None)
        listed = os.fsencode("/".join(os.listdir(directory_fd)))  # all of them at once
        return (set(listed.split(b"/")) if listed else set()) == names
    return False
