"""Partials at the server: hidden files beside their target, fenced by the epoch in their name.

There are no locks over SFTP. A zombie that still has its handle open can only write bytes of the same version of the
source to the same places (another version has another partial), it loses the name it wants to publish, and everything
is read back before it gets its name.
"""

from __future__ import annotations

from paramiko import sftp as protocol

from storage_backends.base import PARTIAL_SUFFIX, PartialId
from storage_backends.errors import NotFound, StorageError
from storage_backends.sftp.connection import (
    FLAG_CREATE,
    FLAG_EXCLUSIVE,
    FLAG_READ,
    FLAG_WRITE,
    Connection,
)
from storage_backends.sftp.folders import Folders
from storage_backends.sftp.listing import list_folder

CREATE = FLAG_READ | FLAG_WRITE | FLAG_CREATE | FLAG_EXCLUSIVE
_LOOKUPS = 8
"""Up to this many older epochs are tried by name; beyond, the directory is listed."""


def older_names(connection: Connection, folders: Folders, folder: bytes, partial: PartialId) -> list[bytes]:
    """Names that partials of older epochs have, or would have, newest first."""
    if partial.epoch <= _LOOKUPS:
        epochs = list(range(partial.epoch - 1, 0, -1))
    else:
        names = [info.path.rpartition(b"/")[2] for info in list_folder(connection, folders, folder)]
        ours = [name for name in names if name.startswith(partial.stem) and name.endswith(PARTIAL_SUFFIX)]
        found = [name[len(partial.stem) : -len(PARTIAL_SUFFIX)] for name in ours]
        epochs = sorted((int(text) for text in found if text.isdigit() and int(text) < partial.epoch), reverse=True)
    return [b"%s%d%s" % (partial.stem, epoch, PARTIAL_SUFFIX) for epoch in epochs]


def discard_older(connection: Connection, folders: Folders, folder: bytes, partial: PartialId) -> int:
    """Remove what older epochs left; returns how many."""
    full = folders.full(folder).rstrip(b"/") + b"/"
    names = older_names(connection, folders, folder, partial)
    return sum([remove(connection, full + name) for name in names])


def remove(connection: Connection, full: bytes) -> bool:
    """False if it is not there."""
    try:
        connection.do(b"", protocol.CMD_REMOVE, full)
    except NotFound:
        return False
    return True


def create(connection: Connection, full: bytes, path: bytes) -> bytes:
    """The handle of a new partial, 0600, in the place of whatever had this very name."""
    number = connection.ask_open(full, CREATE, 0o600)
    try:
        return connection.handle(number, path)
    except StorageError:
        remove(connection, full)
        return connection.handle(connection.ask_open(full, CREATE, 0o600), path)


def take_over(connection: Connection, folders: Folders, folder: bytes, partial: PartialId) -> bytes | None:
    """The handle of what this epoch or an older one left, under this epoch's name by now; None if there is nothing."""
    prefix = folders.full(folder).rstrip(b"/") + b"/"
    own = prefix + partial.name
    try:
        connection.lstat(own, b"")
    except NotFound:
        for name in older_names(connection, folders, folder, partial):
            try:
                connection.answer(connection.ask_rename(prefix + name, own), b"")
            except NotFound:
                continue
            break
    discard_older(connection, folders, folder, partial)
    try:
        return connection.handle(connection.ask_open(own, FLAG_READ | FLAG_WRITE), b"")
    except NotFound:
        return None
