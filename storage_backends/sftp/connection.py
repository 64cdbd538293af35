"""What is asked of one server, and what may go wrong with that.

Names are bytes, and a request is sent without waiting (`ask`) for an answer that is fetched later (`answer`). Several
threads may use a connection; `sessions` says how it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from paramiko import sftp as protocol
from paramiko.message import Message
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.errors import StorageError
from storage_backends.sftp.connecting import Address
from storage_backends.sftp.failures import failure
from storage_backends.sftp.inbox import Request
from storage_backends.sftp.packets import Session, raise_for_status
from storage_backends.sftp.sessions import Sessions

REQUEST_BYTES = 128 << 10
"""Of one read or write: OpenSSH drops the connection over 261,120."""
FLAG_READ, FLAG_WRITE, FLAG_CREATE, FLAG_EXCLUSIVE = 0x1, 0x2, 0x8, 0x20
_FSYNC, _RENAME, _LSETSTAT = b"fsync@openssh.com", b"posix-rename@openssh.com", b"lsetstat@openssh.com"
_FREE = b"statvfs@openssh.com"


class Handle(bytes):
    """What a server calls an open file, as long as the session lasts."""

    session: Session


class Connection:
    """What one server is asked."""

    def __init__(self, address: Address) -> None:
        self.sessions = Sessions(address)
        self.read_bytes = REQUEST_BYTES
        """What is asked for at a time; less where the server sends less."""
        self._lacks: set[bytes] = set()

    def close(self) -> None:
        """Idempotent."""
        self.sessions.close()

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────

    def ask(
        self, kind: int, *arguments: Any, room: memoryview | None = None, session: Session | None = None
    ) -> Request:
        """Send a request, soon; `answer` takes what comes. Bytes that are read go into the `room`, if there is one.
        Raises StorageError."""
        session = session or self._session_of(arguments)
        return self.sessions.do(session, partial(session.ask, kind, *arguments, room=room))

    def ask_writes(self, handle: bytes, offset: int, data: memoryview) -> Sequence[Request]:
        """Send all of `data`, which is not looked at after this returned. Raises StorageError."""
        session = self._session_of([handle])
        return self.sessions.do(session, partial(session.ask_writes, handle, offset, data, REQUEST_BYTES))

    def flush(self) -> None:
        """Send what was asked by now though no answer is waited for yet. Raises StorageError."""
        session = self.sessions.open()
        self.sessions.do(session, session.flush)

    def tell(self, kind: int, *each: bytes) -> None:
        """Ask for the same of each, all of one session. The answers are of no interest, nor is one that can't be
        sent."""
        if self.sessions.first is not None:
            with suppress(StorageError):
                session = self._session_of(each)
                self.sessions.do(session, partial(session.tell, kind, each))

    def answer(self, request: Request, path: bytes) -> Message:
        """To an earlier request about `path`; waits. Raises StorageError, and EOFError at the end of what is read."""
        return Message(self._take(request, path))

    def data(self, request: Request, path: bytes) -> memoryview:
        """The bytes that were read and are in no room, none at the end of the file. Raises StorageError."""
        try:
            return self._take(request, path)[4:]
        except EOFError:
            return memoryview(b"")

    def settle(self, requests: Sequence[Request]) -> None:
        """Wait until all of one session are answered. Raises Unreachable."""
        if requests:
            session = requests[0].session
            self.sessions.do(session, partial(session.settle, requests))

    def _take(self, request: Request, path: bytes) -> memoryview:
        body = self.sessions.do(request.session, partial(request.session.take, request))
        if request.kind == protocol.CMD_STATUS:
            try:
                raise_for_status(body)
            except OSError as error:
                raise failure(error, path) from error
        return body

    def do(self, path: bytes, kind: int, *arguments: Any) -> Message:
        """Ask and wait."""
        return self.answer(self.ask(kind, *arguments), path)

    # ── single ones ───────────────────────────────────────────────────────────────────────────────────────────

    def lstat(self, full: bytes, path: bytes) -> SFTPAttributes:
        """Of a name itself. `path` is how it is called in errors."""
        return attributes_of(self.do(path, protocol.CMD_LSTAT, full))

    def realpath(self, full: bytes, path: bytes) -> bytes:
        """With every symbolic link resolved, by the server."""
        message = self.do(path, protocol.CMD_REALPATH, full)
        message.get_int()
        return message.get_string()

    def readlink(self, full: bytes, path: bytes) -> bytes:
        """The target."""
        message = self.do(path, protocol.CMD_READLINK, full)
        message.get_int()
        return message.get_string()

    def ask_open(
        self, full: bytes, flags: int, mode: int | None = None, *, session: Session | None = None
    ) -> Request:
        """Open a file; `handle` takes the answer."""
        wanted = SFTPAttributes()
        wanted.st_mode = mode
        return self.ask(protocol.CMD_OPEN, full, flags, wanted, session=session)

    def handle(self, request: Request, path: bytes) -> bytes:
        """Of the file that was asked to be opened."""
        handle = Handle(self.answer(request, path).get_binary())
        handle.session = request.session
        return handle

    def fsync(self, handle: bytes, path: bytes) -> None:
        """Durable when it returns, where the server can; elsewhere acknowledged writes are all there is."""
        self.finish_fsync(self.ask_fsync(handle), path)

    def ask_fsync(self, handle: bytes) -> Request | None:
        """None where the server can't."""
        return None if _FSYNC in self._lacks else self.ask(protocol.CMD_EXTENDED, _FSYNC, handle)

    def finish_fsync(self, request: Request | None, path: bytes) -> None:
        """The answer to `ask_fsync`."""
        if request is not None:
            self._extended(_FSYNC, request, path)

    def ask_rename(self, old: bytes, new: bytes) -> Request:
        """Over whatever file has the new name, atomically."""
        return self.ask(protocol.CMD_EXTENDED, _RENAME, old, new)

    def set_link_time(self, full: bytes, wanted: SFTPAttributes, path: bytes) -> None:
        """Of a symbolic link itself; servers that can't leave it as it is."""
        if _LSETSTAT not in self._lacks:
            self._extended(_LSETSTAT, self.ask(protocol.CMD_EXTENDED, _LSETSTAT, full, wanted), path)

    def is_full(self, full: bytes) -> bool:
        """Whether the file system has no room left, as far as the server tells; a write that fails does not say why."""
        try:
            message = self.do(b"", protocol.CMD_EXTENDED, _FREE, full)
        except StorageError:
            return False
        _, _, _, _, available = (message.get_int64() for _ in range(5))
        return available == 0

    def _extended(self, name: bytes, request: Request, path: bytes) -> None:
        try:
            self.answer(request, path)
        except StorageError as error:
            if isinstance(error.__cause__, OSError) and "unsupported" in str(error.__cause__).lower():
                self._lacks.add(name)
            else:
                raise

    def _session_of(self, arguments: Sequence[Any]) -> Session:
        """The one that a handle among these is of: another one may call another file the same."""
        return next((each.session for each in arguments if isinstance(each, Handle)), None) or self.sessions.open()


def attributes_of(message: Message) -> SFTPAttributes:
    """What STAT, LSTAT and FSTAT answer."""
    return SFTPAttributes._from_msg(message)  # type: ignore[attr-defined, no-any-return]


def names_of(message: Message) -> Sequence[tuple[bytes, SFTPAttributes]]:
    """What READDIR answers."""
    found = []
    for _ in range(message.get_int()):
        name = message.get_string()
        message.get_string()  # a line as `ls -l` prints it
        found.append((name, attributes_of(message)))
    return found
