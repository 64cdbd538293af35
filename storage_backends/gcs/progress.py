"""What is sent to, and answered at, the URI of a resumable upload, whoever sends it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from google_crc32c import extend

FINISHED, INCOMPLETE = (200, 201), 308
PIECE_BYTES = 256 << 10
QUANTUM_BYTES = 256 << 10
"""The service keeps multiples of this, and takes nothing else but at the end."""


class Progress(NamedTuple):
    """What the service says of an upload."""

    held_bytes: int
    """From the beginning of the object, without a gap."""
    finished: Mapping[str, Any] | None = None
    """The new object, once the last byte arrived."""


class Chunk(NamedTuple):
    """Some bytes of an object of `size`, from `first` on."""

    first: int
    data: memoryview
    size: int
    crc32c: int | None = None
    """Of all bytes of the object, with its last ones: unless it is theirs, they do not finish it."""

    @property
    def end(self) -> int:
        """Behind the last byte."""
        return self.first + len(self.data)

    def rest(self, held_bytes: int) -> Chunk:
        """What the service does not hold of it."""
        return self._replace(first=held_bytes, data=self.data[held_bytes - self.first :])

    def headers(self) -> dict[str, str]:
        """To send it with."""
        span = {"Content-Range": f"bytes {self.first}-{self.end - 1}/{self.size}"}
        return span if self.crc32c is None else {**span, "x-goog-hash": f"crc32c={encoded(self.crc32c)}"}


def extended(crc32c: int, data: memoryview | bytes) -> int:
    """That of some bytes and `data` behind them. The library takes nothing but `bytes`: copied by and by."""
    for first in range(0, len(data), PIECE_BYTES):
        crc32c = extend(crc32c, bytes(data[first : first + PIECE_BYTES]))
    return crc32c


def encoded(crc32c: int) -> str:
    """As the service writes a CRC32C."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()


def held_bytes(header: str) -> int:
    """`bytes=0-LAST`, or nothing. Less than the service can keep means nothing as well."""
    match = re.fullmatch(r"bytes=0-(\d+)", header)
    held = int(match[1]) + 1 if match else 0
    return held if held >= QUANTUM_BYTES else 0
