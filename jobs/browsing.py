"""One directory of a storage, for somebody who chooses a path: its names, and nothing below or beside it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from typing import NamedTuple

from jobs.errors import Refusal
from jobs.storages import Root, Side, blaming, opened, root_of
from storage_backends.base import FileInfo, Kind, ListError, check_path
from storage_backends.errors import BadPath
from storage_backends.names import display_path

#: A directory of a million files is not shown whole, and a slow storage is not waited for without end.
MOST_ENTRIES, MOST_SECONDS = 2000, 5.0


class Entry(NamedTuple):
    """One name in a directory."""

    token: str
    """Stands for the exact bytes of the whole path where HTML forms would alter a name (line ends, odd bytes)."""
    name: str
    """As people see it."""
    is_directory: bool
    size: int
    is_usable: bool
    """Whether a job can be given this path: it takes Unicode."""


class Parent(NamedTuple):
    """A directory above the one that is shown."""

    token: str
    name: str


class Listing(NamedTuple):
    """One directory."""

    token: str
    path: str
    """As a job takes it; empty if it can't."""
    display: str
    parents: list[Parent]
    """The root first."""
    directories: list[Entry]
    files: list[Entry]
    is_cut: bool
    """There are more names than are shown."""


def token_of(path: bytes) -> str:
    """A path in letters that come through any form unharmed."""
    return base64.urlsafe_b64encode(path).decode()


def path_of(token: str, side: Side) -> bytes:
    """The reverse. Raises Refusal naming the side's path for anything that is no path below the root."""
    try:
        path = base64.urlsafe_b64decode(token.encode())
        if path:
            check_path(path)
    except (ValueError, BadPath):
        raise Refusal("PATH_NOT_CANONICAL", "That is no directory.", field=f"{side}_path") from None
    return path.removesuffix(b"/")


def list_directory(alias: str, path: bytes, side: Side) -> Listing:
    """What is directly in `path` of the storage `alias`. Raises Refusal if it can't be read."""
    root = Root(alias, root_of(alias, "/", side).url, path)
    directories: list[bytes] = []

    def prune(directory: bytes) -> bool:
        directories.append(directory)
        return True

    with blaming(side), opened(root) as storage:
        storage.probe()
        files, is_cut = _read(storage.list_files(prune=prune), directories)
    return Listing(
        token=token_of(path),
        path=_typed(path),
        display="/" + display_path(path),
        parents=_parents(path),
        directories=[_entry(path, name, True, 0) for name in sorted(directories)[:MOST_ENTRIES]],
        files=[_entry(path, file.path, False, file.size) for file in files],
        is_cut=is_cut,
    )


def _read(found: Iterable[FileInfo | ListError], directories: list[bytes]) -> tuple[list[FileInfo], bool]:
    files: list[FileInfo] = []
    end = time.monotonic() + MOST_SECONDS
    for entry in found:
        if len(files) >= MOST_ENTRIES or len(directories) > MOST_ENTRIES or time.monotonic() > end:
            return files, True
        if isinstance(entry, FileInfo) and entry.kind is not Kind.DIRECTORY:
            files.append(entry)
    return files, len(directories) > MOST_ENTRIES


def _entry(parent: bytes, name: bytes, is_directory: bool, size: int) -> Entry:
    name = name.strip(b"/")
    whole = b"/".join(part for part in (parent, name) if part)
    return Entry(token_of(whole), display_path(name), is_directory, size, bool(_typed(whole)))


def _parents(path: bytes) -> list[Parent]:
    parts = path.split(b"/") if path else []
    above = [("/", 0), *((display_path(part), depth) for depth, part in enumerate(parts[:-1], start=1))]
    return [Parent(token_of(b"/".join(parts[:depth])), name) for name, depth in above] if parts else []


def _typed(path: bytes) -> str:
    """As one would type it into a job's form; empty where a line of text can't hold it."""
    try:
        text = "/" + path.decode()
    except UnicodeDecodeError:
        return ""
    return text if not any(character in text for character in "\r\n\0") else ""


def connection_report(alias: str, path: str, side: Side) -> str:
    """Whether the web can reach one side of a job, in a sentence. Raises Refusal if not.

    Slaves may see another network than the web; each says on its own page which storages it reaches."""
    root = root_of(alias, path, side)
    with blaming(side), opened(root._replace(path=b"")) as storage:
        storage.probe()
        exists = not root.path or storage.file_exists(root.path)
    shown = f"{alias}:{path}"
    if exists:
        return f"{side.capitalize()}: {shown} can be reached."
    if side == "sink":
        return f"Sink: the storage {alias} can be reached; {path} is made when the job starts."
    raise Refusal("SOURCE_NOT_FOUND", f"The source {path!r} does not exist on {alias!r}.", field="source_path")
