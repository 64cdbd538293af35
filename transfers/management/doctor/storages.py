"""Every storage, from this machine: reachable, readable, writable, its space, and what was left there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from os import fsdecode
from pathlib import Path

from jobs.services import installation
from jobs.storages import configured
from jobs.words import human_bytes
from storage_backends.base import Attributes, FileInfo, PartialId
from storage_backends.errors import StorageError
from storage_backends.registry import open_storage
from storage_backends.url import StorageUrl
from transfers.management.doctor.findings import Finding, error, ok, warning, within
from transfers.management.doctor.space import check_space
from transfers.management.janitor import Owner, sort_out

PROBE_SECONDS = 20.0
LIST_SECONDS = 10.0
TRIAL = b".syncf-doctor"
"""The name that is never given: the trial upload is aborted."""


def check_storages() -> Iterator[Finding]:
    """One after the other."""
    identifier = installation().identifier
    for alias, url in sorted(configured().items()):
        yield from _check_storage(f"storage {alias}", url, identifier)


def _check_storage(topic: str, url: str, identifier: str) -> Iterator[Finding]:
    try:
        within(PROBE_SECONDS, lambda: _read(url))
        yield ok(topic, "can be reached and read")
    except TimeoutError:
        yield error(topic, f"did not answer within {PROBE_SECONDS:.0f} s", "Look whether the mount or service hangs.")
        return
    except StorageError as problem:
        variable = topic.removeprefix("storage ").upper()
        yield error(topic, f"can't be reached from here: {problem}", f"Correct STORAGE_{variable}, or what it names.")
        return
    yield from _check_writing(topic, url, identifier)
    yield from _check_leftovers(topic, url)
    parsed = StorageUrl.parse(url)
    if parsed.scheme == "file":
        yield from check_space(topic, Path(fsdecode(parsed.path)))


def _read(url: str) -> None:
    with closing(open_storage(url)) as storage:
        storage.probe()


def _check_writing(topic: str, url: str, identifier: str) -> Iterator[Finding]:
    try:
        within(PROBE_SECONDS, lambda: _write(url, identifier))
        yield ok(topic, "can be written: a trial upload was begun, filled and taken back")
    except TimeoutError:
        yield error(topic, f"took nothing within {PROBE_SECONDS:.0f} s", "Look whether the mount or service hangs.")
    except StorageError as problem:
        yield warning(topic, f"can't be written: {problem}", "Nothing to do if it is only a source.")


def _write(url: str, identifier: str) -> None:
    """Everything that an upload does, except giving it its name."""
    partial = PartialId.of(identifier, "doctor", TRIAL, 1)
    with closing(open_storage(url)) as storage:
        token = storage.begin_upload(TRIAL, size=1, attributes=Attributes(), source_version="", partial=partial)
        with closing(storage.resume_upload(token, partial)) as session:
            try:
                session.write_part(0, memoryview(b"."))
                session.sync()
            finally:
                session.abort()


def _check_leftovers(topic: str, url: str) -> Iterator[Finding]:
    try:
        found = within(LIST_SECONDS, lambda: _uploads(url))
    except (TimeoutError, StorageError):
        yield ok(topic, f"not looked for leftovers to the end ({LIST_SECONDS:.0f} s); `manage.py janitor` does")
        return
    held = Counter[Owner]()
    for leftover in sort_out(found):
        held[leftover.owner] += leftover.size
    if Owner.NOBODY in held:
        amount = human_bytes(held[Owner.NOBODY])
        yield warning(topic, f"{amount} of unfinished uploads that nobody will finish", "manage.py janitor --remove")


def _uploads(url: str) -> list[FileInfo]:
    with closing(open_storage(url)) as storage:
        return list(storage.list_uploads()) if storage.capabilities.lists_uploads else []
