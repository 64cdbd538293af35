"""Which directories may be entered: those below the root with no symbolic link on the way.

SFTP can't open a directory and stay in it, so a directory is checked by name: the server resolves it to itself, and it
is a directory. What was checked is believed for a few seconds. Whoever can write at the server can exchange a directory
for a link in that time; against that no SFTP client can do anything.
"""

from __future__ import annotations

import time

from paramiko import sftp as protocol

from storage_backends.base import Attributes, Kind, check_path
from storage_backends.errors import KindConflict, NotFound, StorageError, SymlinkRefused
from storage_backends.names import display_path
from storage_backends.sftp.connection import Connection
from storage_backends.sftp.describing import kind_of, wanted

BELIEVED_SECONDS = 5.0
NEW_DIRECTORY = 0o777


class Folders:
    """The directories below one root."""

    def __init__(self, connection: Connection, operator_root: bytes, path: bytes) -> None:
        self._connection = connection
        self._operator_root, self._path = operator_root, path
        self._root: bytes | None = None
        self._checked: dict[bytes, float] = {}

    @property
    def root(self) -> bytes:
        """The whole path of the root. The operator's part of it may lead over links. Raises StorageError."""
        if self._root is None:
            resolved = self._connection.realpath(self._operator_root, b"")
            self._root = resolved.rstrip(b"/") + (b"/" + self._path if self._path else b"") or b"/"
        return self._root

    @property
    def operator_root(self) -> bytes:
        """The whole path of the operator's root, links resolved."""
        return self.root[: len(self.root) - len(self._path)].rstrip(b"/") or b"/"

    def full(self, path: bytes) -> bytes:
        """The whole path of a relative one, slash at its end or not."""
        return self.root.rstrip(b"/") + b"/" + path.removesuffix(b"/") if path else self.root

    def split(self, path: bytes) -> tuple[bytes, bytes]:
        """Folder (no slash at its end) and whole path of what stands in it. Raises BadPath."""
        folder = b"/".join(check_path(path)[:-1])
        return folder, self.full(path)

    def forget(self) -> None:
        """Check everything anew."""
        self._checked.clear()

    def enter(self, folder: bytes) -> bytes:
        """The whole path of a folder that may be entered. Raises NotFound, SymlinkRefused, KindConflict."""
        full = self.full(folder)
        if self._checked.get(folder, 0.0) > time.monotonic():
            return full
        found, shown = self._connection.lstat(full, folder), display_path(folder or self._path)
        if kind_of(found) is Kind.SYMLINK or self._connection.realpath(full, folder) != full:
            raise SymlinkRefused(f"'{shown}' leads over a symbolic link; SyncF never follows one")
        if kind_of(found) is not Kind.DIRECTORY:
            raise KindConflict(f"'{shown}' is no directory; move it away")
        self._checked[folder] = time.monotonic() + BELIEVED_SECONDS
        return full

    def make(self, folder: bytes) -> bytes:
        """The same; what is missing of it is made."""
        try:
            return self.enter(folder)
        except NotFound:
            if not folder:
                raise
        self.make(folder.rpartition(b"/")[0])
        self.make_one(folder)
        return self.enter(folder)

    def make_one(self, folder: bytes) -> None:
        """Its parent is there. That somebody else made it meanwhile is success."""
        try:
            self._connection.do(folder, protocol.CMD_MKDIR, self.full(folder), wanted(Attributes(), NEW_DIRECTORY))
        except StorageError:
            if kind_of(self._connection.lstat(self.full(folder), folder)) is not Kind.DIRECTORY:
                raise KindConflict(f"'{display_path(folder)}' is no directory; move it away") from None
