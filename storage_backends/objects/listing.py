"""Keys as a tree: what a listing says where there are no directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from storage_backends.base import Entry, FileInfo, Kind, ListError, PartialId
from storage_backends.errors import BadPath, Overlap
from storage_backends.names import display_path
from storage_backends.objects.client import ObjectClient, Stored

Describe = Callable[[bytes, Stored], FileInfo]


def walk(
    client: ObjectClient,
    prefix: str,
    describe: Describe,
    *,
    prune: Callable[[bytes], bool] | None,
    is_stop: Callable[[bytes], bool],
) -> Iterator[Entry]:
    """See `Storage.list_files`; `is_stop(folder)`: the root of the other side."""
    left_out: bytes | None = None
    looked_at: list[bytes] = []
    for stored in client.listed(prefix):
        path = stored.key[len(prefix) :].encode()
        if not path or (left_out is not None and path.startswith(left_out)):
            continue
        for folder in _new_folders(path, looked_at):
            if is_stop(folder):
                left_out = folder
                yield ListError(folder, Overlap(f"'{display_path(folder)}' is the root of the other side"))
            elif prune and prune(folder):
                left_out = folder
            if left_out == folder:
                break
        else:
            yield from _listed(path, stored, describe)


def _new_folders(path: bytes, looked_at: list[bytes]) -> Iterator[bytes]:
    """The prefixes of `path` that end in a slash and were not looked at right before, outermost first."""
    while looked_at and not path.startswith(looked_at[-1]):
        looked_at.pop()
    at = len(looked_at[-1]) if looked_at else 0
    while (slash := path.find(b"/", at)) >= 0:
        at = slash + 1
        looked_at.append(path[:at])
        yield path[:at]


def _listed(path: bytes, stored: Stored, describe: Describe) -> Iterator[Entry]:
    if path.endswith(b"/"):
        if stored.size:  # else a console's way to show a directory
            yield ListError(path, BadPath(f"the key '{display_path(path)}' ends in a slash and has content"))
        return
    info = describe(path, stored)
    is_reserved = PartialId.is_reserved(path.rpartition(b"/")[2])
    yield info._replace(kind=Kind.SPECIAL) if is_reserved else info
