"""SyncF with one safety taken out, to see that the experiments notice.

Each function is applied in every process of an experiment, before anything else happens there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Collection
from typing import Any

from storage_backends.local import batch, system
from transfers.engine import parts, proof


def apply(name: str) -> None:
    """Take this safety out; none for an empty name."""
    if name:
        MUTANTS[name]()


def _is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def _without_fsync() -> None:
    """Files are given their names before their bytes are durable."""
    real = system.fsync
    system.fsync = lambda fd: real(fd) if _is_directory(fd) else None  # type: ignore
    system.fdatasync = lambda fd: None  # type: ignore
    system.syncfs = lambda fd: None


def _without_directory_fsync() -> None:
    """Rows say completed before the name is durable."""
    real = system.fsync
    system.fsync = lambda fd: None if _is_directory(fd) else real(fd)  # type: ignore


def _without_read_back() -> None:
    """What was written is believed to be there."""

    def fill(fd: int, data: bytes, path: bytes) -> None:
        done = 0
        while done < len(data):
            done += system.pwrite(fd, data[done:], done)

    batch.fill = fill  # type: ignore
    parts.Parts._compares_while_writing = False  # type: ignore


def _without_digest_check() -> None:
    """A resume believes the checkpoint's offset."""

    def prove(context: Any, work: Any, upload: Any, source: Any) -> proof.Proven:
        held = proof._parts_worth_proving(upload, True)
        digest, token = hashlib.sha256(), upload.session.token
        for number in range(held):
            part = memoryview(bytearray(token.part_length(number)))
            source.read_into(number * token.part_bytes, part)
            digest.update(part)
        return proof.Proven(held, digest)

    parts.prove_held_parts = prove  # type: ignore


def _without_epoch_check() -> None:
    """A slave that lost a task is still let publish and settle it."""
    if "jobs.uploads" not in sys.modules:
        return
    from jobs import sql, uploads

    sqlite: Any = sql.sqlite

    def everyone(slave: Any, keys: Collection[tuple[int, int]]) -> set[int]:
        return {key[0] for key in keys}

    uploads.owned = everyone
    uploads._hold = lambda slave, key: True  # type: ignore
    ours = "WHERE id = %s AND epoch = %s AND status = 'in_progress' AND owner_id = %s"
    anyone = "WHERE id = %s AND %s IS NOT NULL AND %s IS NOT NULL"
    sqlite._SETTLE_COPIED = sqlite._SETTLE_COPIED.replace(ours, anyone)


def _without_flock() -> None:
    """Somebody else's open partial is taken over."""
    system.flock = lambda fd, how: None  # type: ignore


MUTANTS: dict[str, Callable[[], None]] = {
    "no-fsync": _without_fsync,
    "no-directory-fsync": _without_directory_fsync,
    "no-read-back": _without_read_back,
    "no-digest-check": _without_digest_check,
    "no-epoch-check": _without_epoch_check,
    "no-flock": _without_flock,
}
