"""What is sent, as a file: HTTP libraries send that in pieces, and a time-out holds for each piece, so that a slow line
is not taken for a dead one. Nothing is copied, and pieces are larger than the 16 KiB that the libraries ask for."""

from __future__ import annotations

import io

BLOCK_BYTES = 256 << 10


class Body(io.RawIOBase):
    """The bytes of a buffer, which is not touched while they are sent."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data, self._at = memoryview(data).cast("B"), 0

    def __len__(self) -> int:
        return len(self._data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence])
        return self._at

    def read(self, size: int | None = -1) -> memoryview:
        """The next piece, larger than asked for if that is less than a block."""
        end = len(self._data) if size is None or size < 0 else self._at + max(size, BLOCK_BYTES)
        piece = self._data[self._at : end]
        self._at += len(piece)
        return piece
