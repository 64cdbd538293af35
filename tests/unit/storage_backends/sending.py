"""A file of two parts as tests of uploads send it, files and directories for batches, what stands at the root then."""

import os

from storage_backends.base import Attributes, PartialId

DATA = bytes(range(256)) * 4096  # two parts
PLAIN = Attributes(mtime_ns=1_600_000_000_000_000_000, mode=0o640)
WHO = PartialId("0123abcd", "d" * 20, 1)


def partial(number: int) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", 1)


def send(session, data=DATA) -> None:
    for number in range(session.token.part_count):
        start = number * session.token.part_bytes
        session.write_part(number, memoryview(data)[start : start + session.token.part_length(number)])


def in_place(storage, count) -> None:
    """Directories that are there already: nothing of them is built elsewhere."""
    storage.write_directories([(b"d%d/" % number, Attributes()) for number in range(count)])


def names(root) -> list[str]:
    return sorted(name for _, _, files in os.walk(root) for name in files)
