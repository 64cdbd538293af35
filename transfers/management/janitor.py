"""What unfinished uploads and partials lie around, whose they are, and removing those that nobody will finish.

A partial tells by its name which installation and which task it belongs to; an upload at a service is ours only if its
id stands in one of our rows. What is somebody else's is shown and never touched: a bucket is shared.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jobs.models import Task, Upload
from jobs.sealing import unsealed
from jobs.services import installation
from jobs.states import FINAL
from storage_backends.base import FileInfo, PartialId, Storage, UploadToken

ROWS_AT_ONCE = 2000


class Owner(enum.StrEnum):
    """Whose an unfinished upload is."""

    LIVE = "in use"
    """A task that is not final goes on with it."""
    NOBODY = "left over"
    """This installation's, and no task will finish it."""
    STRANGER = "stranger's"
    """Of another installation or another program."""


class Leftover(NamedTuple):
    """One unfinished upload."""

    path: bytes
    size: int
    owner: Owner
    token: UploadToken | None = None
    """What leads to an upload at a service."""


def leftovers(storage: Storage) -> list[Leftover]:
    """All below the root of `storage`, as far as it can list them, in the order of their paths."""
    if not storage.capabilities.lists_uploads:
        return []
    return sort_out(list(storage.list_uploads()))


def sort_out(found: list[FileInfo]) -> list[Leftover]:
    """Whose these unfinished uploads of one storage are."""
    named = [info for info in found if _parse(info.path)]
    return sorted([*_named(named), *_by_id([info for info in found if not _parse(info.path)])])


def remove(storage: Storage, leftover: Leftover) -> None:
    """Remove one that is nobody's. Raises StorageError."""
    if leftover.owner is not Owner.NOBODY:
        raise ValueError(f"this one is {leftover.owner}")
    if leftover.token is None:
        storage.delete_file(leftover.path)
    else:
        digest = PartialId.of(installation().identifier, "", leftover.path, 1)
        storage.discard_upload(leftover.token, digest)


def _parse(path: bytes) -> PartialId | None:
    """The partial that the last part of a path names."""
    return PartialId.parse(path.rpartition(b"/")[2])


def _named(found: list[FileInfo]) -> Iterator[Leftover]:
    ours = installation().identifier
    partials = {info.path: partial for info in found if (partial := _parse(info.path))}
    wanted = {partial.digest for partial in partials.values() if partial.installation == ours}
    live = _live_digests(ours, wanted) if wanted else set()
    for info in found:
        partial = partials[info.path]
        owner = Owner.LIVE if partial.digest in live else Owner.NOBODY
        yield Leftover(info.path, info.size, owner if partial.installation == ours else Owner.STRANGER)


def _live_digests(ours: str, wanted: set[str]) -> set[str]:
    """Those of `wanted` that belong to a task which was begun and is not final, or to a directory above it. Pages
    through such tasks."""
    tasks = Task.objects.exclude(status__in=FINAL).filter(epoch__gt=0).values_list("job_id", "path")
    pairs = ((str(job_id), bytes(path)) for job_id, path in tasks.iterator(chunk_size=ROWS_AT_ONCE))
    return wanted.intersection(_digests(ours, pairs))


def _digests(ours: str, tasks: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    last = None
    for job_id, path in tasks:
        yield PartialId.of(ours, job_id, path, 1).digest
        if last != (last := path.rpartition(b"/")[0]):
            for length in (at for at, byte in enumerate(last + b"/") if byte == ord("/")):
                yield PartialId.of_directory(ours, last[:length], 1).digest


def _by_id(found: list[FileInfo]) -> Iterator[Leftover]:
    known = dict(_known_uploads()) if found else {}
    for info in found:
        token, owner = known.get(info.version, (None, Owner.STRANGER))
        yield Leftover(info.path, info.size, owner, token if owner is Owner.NOBODY else None)


def _known_uploads() -> Iterator[tuple[str, tuple[UploadToken, Owner]]]:
    """Upload id → token and owner, of every row of ours that has one."""
    rows = Upload.objects.exclude(token="").values_list("token", "task__status")
    for text, status in rows.iterator(chunk_size=ROWS_AT_ONCE):
        try:
            token = UploadToken.from_json(unsealed(text))
        except (ValueError, KeyError, TypeError):  # of another version
            continue
        if upload_id := token.state.get("upload_id"):
            yield upload_id, (token, Owner.NOBODY if status in FINAL else Owner.LIVE)
