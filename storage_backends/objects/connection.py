"""One connection that speaks HTTP/1.1: what is sent over it, and the answer that comes, piece by piece."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress

CONNECT_SECONDS, READ_SECONDS = 10, 60
"""The second one is the longest silence between two bytes, and what a piece may take to be sent."""
PIECE_BYTES = 256 << 10
MOST_LINES, LONGEST_LINE = 200, 64 << 10
"""Of the head of an answer."""
MOST_BODY_BYTES, MOST_DIGITS = 1 << 30, 18
"""Of an answer that is taken whole; what is larger comes in ranges."""
Body = bytes | memoryview


class Odd(Exception):
    """An answer, or a request, that this does not understand."""


class Connection:
    """Of one thread at a time. Its methods raise OSError and Odd."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        """With a `context` by TLS."""
        plain = socket.create_connection(address, CONNECT_SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = context.wrap_socket(plain, server_hostname=address[0]) if context else plain
        except BaseException:
            plain.close()
            raise
        self._socket.settimeout(READ_SECONDS)
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        """Idempotent."""
        with suppress(OSError):
            self._reader.close()
            self._socket.close()

    def fileno(self) -> int:
        """Of its socket."""
        return self._socket.fileno()

    def was_dropped(self) -> bool:
        """Nobody asked, so all that can come is the end; or more than was asked for, which would be taken for the next
        answer. It may have been read together with the last one."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        has_come = bool(poll.poll(0))
        if has_come and not isinstance(self._socket, ssl.SSLSocket):
            return True
        self._socket.settimeout(0)
        try:
            return bool(self._reader.peek(1)) or has_come
        except ssl.SSLWantReadError:  # TLS hands out tickets for later sessions when a connection was opened
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(READ_SECONDS)

    def send(self, head: bytes, body: Body) -> None:
        """In pieces: a time-out holds for each."""
        if len(body) <= PIECE_BYTES:
            self._socket.sendall(b"".join((head, body)))
            return
        self._socket.sendall(head)
        rest = memoryview(body)
        for at in range(0, len(rest), PIECE_BYTES):
            self._socket.sendall(rest[at : at + PIECE_BYTES])

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        first, *lines = self._head_lines()
        version, status, *_ = [*first.split(None, 2), "", ""]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not status.isdecimal() or len(status) != 3 or status < "200":
            raise Odd
        headers = {"connection": "close"} if version == "HTTP/1.0" else {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return int(status), headers

    def _head_lines(self) -> list[str]:
        """All that came with the first bytes is mostly all of the head."""
        length = self._reader.peek().find(b"\r\n\r\n")
        if length >= 0:
            return self._reader.read(length + 4)[:-4].decode("latin-1").split("\r\n")
        lines = list[str]()
        while (line := self._line()) or not lines:
            lines.append(line)
            if len(lines) > MOST_LINES:
                raise Odd
        return lines

    def read_body(self, headers: Mapping[str, str], most_bytes: int | None) -> bytes:
        """All of it. Odd is also one of more than `most_bytes`."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            if most_bytes is not None:
                raise Odd
            return self._chunks()
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > MOST_DIGITS:
            raise Odd
        if most_bytes is not None and int(length) > most_bytes:
            raise Odd
        return self._exactly(int(length))

    def read_into(self, buffer: memoryview) -> None:
        """All of it, without an intermediate copy."""
        done = 0
        while done < len(buffer):
            count = self._reader.readinto(buffer[done:])
            if not count:
                raise Odd
            done += count

    def _chunks(self) -> bytes:
        found = []
        while length := int(self._hexadecimal(self._line()), 16):
            found.append(self._exactly(length))
            if self._line():
                raise Odd
        while self._line():
            pass
        return b"".join(found)

    def _hexadecimal(self, line: str) -> str:
        digits = line.partition(";")[0].strip()
        if not digits or set(digits) - set("0123456789abcdefABCDEF"):
            raise Odd
        return digits

    def _exactly(self, length: int) -> bytes:
        if length > MOST_BODY_BYTES:
            raise Odd
        data = self._reader.read(length)
        if len(data) != length:
            raise Odd
        return data

    def _line(self) -> str:
        line = self._reader.readline(LONGEST_LINE)
        if not line.endswith(b"\r\n"):
            raise Odd
        return line[:-2].decode("latin-1")
