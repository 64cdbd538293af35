"""One SSH connection, and SFTP requests with many under way at once.

paramiko's own calls wait for one answer after the other and take names for text; here names are bytes and a request is
sent without waiting (`ask`) for an answer that is fetched later (`answer`). Two threads may use a connection: a
checkpoint is synced beside the writing.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import paramiko
from paramiko import sftp as protocol
from paramiko.message import Message
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.errors import BadCredentials, ConfigurationError, StorageError, Unreachable
from storage_backends.sftp.failures import failure

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
REQUEST_BYTES = 128 << 10
"""Of one read or write: OpenSSH drops the connection over 261,120."""
WINDOW_BYTES, PACKET_BYTES = 4 << 20, 64 << 10
FLAG_READ, FLAG_WRITE, FLAG_CREATE, FLAG_EXCLUSIVE = 0x1, 0x2, 0x8, 0x20
_FSYNC, _RENAME, _LSETSTAT = b"fsync@openssh.com", b"posix-rename@openssh.com", b"lsetstat@openssh.com"
_FREE = b"statvfs@openssh.com"


class Address(NamedTuple):
    """Where to connect, and with what. Never printed whole: it may hold a password."""

    host: str
    port: int
    user: str | None
    password: str | None
    key_file: str | None
    known_hosts: str | None

    def __repr__(self) -> str:
        return f"Address({self.name})"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.user + '@' if self.user else ''}{self.host}:{self.port}"


class _Transport(paramiko.Transport):
    """AES-GCM first, which encrypts and authenticates in one pass, at 60 % of the CPU time of paramiko's first choice;
    fewer and larger packets on the way here. What the server does not know is negotiated as ever."""

    _AEAD = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
    _OTHERS = paramiko.Transport._preferred_ciphers  # type: ignore[attr-defined]  # published so, and not typed
    _preferred_ciphers = (*_AEAD, *(name for name in _OTHERS if "gcm" not in name))

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, WINDOW_BYTES, PACKET_BYTES, **options)


class Connection:
    """Connects at its first request, and again after it was lost."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._ssh: paramiko.SSHClient | None = None
        self._sftp: Any = None
        self._answers: dict[int, tuple[int, Message]] = {}
        self._lacks: set[bytes] = set()
        self._sending, self._reading = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """Idempotent."""
        if self._ssh is not None:
            self._ssh.close()
        self._ssh = self._sftp = None
        self._answers.clear()

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, kind: int, *arguments: Any) -> int:
        """Send a request; its number is for `answer`. Raises StorageError."""
        return self._send(self, kind, arguments)

    def tell(self, kind: int, *arguments: Any) -> None:
        """Send a request whose answer is of no interest. One that can't be sent is none."""
        if self._sftp is not None:
            with suppress(StorageError):
                self._send(type(None), kind, arguments)

    def _send(self, receiver: object, kind: int, arguments: Sequence[Any]) -> int:
        try:
            with self._sending:
                number: int = self._open()._async_request(receiver, kind, *arguments)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(error) from error
        return number

    def answer(self, number: int, path: bytes) -> tuple[int, Message]:
        """Of an earlier request about `path`; waits. Raises StorageError."""
        with self._reading:
            return self._answer(number, path)

    def _answer(self, number: int, path: bytes) -> tuple[int, Message]:
        if self._sftp is None:
            raise Unreachable(f"the connection to {self.address.name} was lost")
        try:
            if number in self._answers:
                kind, message = self._answers.pop(number)
                if kind == protocol.CMD_STATUS:
                    self._sftp._convert_status(message)
                return kind, message
            found: tuple[int, Message] = self._sftp._read_response(number)
            return found
        except EOFError:
            raise
        except (TimeoutError, ConnectionError, paramiko.SSHException) as error:
            raise self._lost(error) from error
        except OSError as error:
            raise failure(error, path) from error

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        """paramiko gives us the answers that come while another one is waited for."""
        self._answers[number] = (kind, message)

    def do(self, path: bytes, kind: int, *arguments: Any) -> Message:
        """Ask and wait."""
        return self.answer(self.ask(kind, *arguments), path)[1]

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

    def ask_open(self, full: bytes, flags: int, mode: int | None = None) -> int:
        """Open a file; `handle` takes the answer."""
        wanted = SFTPAttributes()
        wanted.st_mode = mode
        wanted._flags = SFTPAttributes.FLAG_PERMISSIONS if mode is not None else 0  # type: ignore[attr-defined]
        return self.ask(protocol.CMD_OPEN, full, flags, wanted)

    def handle(self, number: int, path: bytes) -> bytes:
        """Of the file that was asked to be opened."""
        return self.answer(number, path)[1].get_binary()

    def fsync(self, handle: bytes, path: bytes) -> None:
        """Durable when it returns, where the server can; elsewhere acknowledged writes are all there is."""
        self.finish_fsync(self.ask_fsync(handle), path)

    def ask_fsync(self, handle: bytes) -> int | None:
        """None where the server can't."""
        return None if _FSYNC in self._lacks else self.ask(protocol.CMD_EXTENDED, _FSYNC, handle)

    def finish_fsync(self, number: int | None, path: bytes) -> None:
        """The answer to `ask_fsync`."""
        if number is not None:
            self._extended(_FSYNC, number, path)

    def ask_rename(self, old: bytes, new: bytes) -> int:
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

    def _extended(self, name: bytes, number: int, path: bytes) -> None:
        try:
            self.answer(number, path)
        except StorageError as error:
            if isinstance(error.__cause__, OSError) and "unsupported" in str(error.__cause__).lower():
                self._lacks.add(name)
            else:
                raise

    # ── the connection ────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Any:
        if self._sftp is None:
            self._connect()
        return self._sftp

    def _connect(self) -> None:
        address, ssh = self.address, paramiko.SSHClient()
        known = address.known_hosts or "~/.ssh/known_hosts"
        try:
            if address.known_hosts:
                ssh.load_host_keys(address.known_hosts)
            else:
                ssh.load_system_host_keys()
            ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
            ssh.connect(
                address.host,
                address.port,
                username=address.user,
                password=address.password,
                key_filename=address.key_file,
                look_for_keys=address.key_file is None,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                transport_factory=_Transport,
            )
            channel = ssh.open_sftp()
            channel.get_channel().settimeout(ANSWER_SECONDS)  # type: ignore[union-attr]
        except BaseException as error:
            ssh.close()
            if isinstance(error, Exception):
                raise self._refused(error, known) from error
            raise
        self._ssh, self._sftp, self._answers = ssh, channel, {}

    def _refused(self, error: Exception, known: str) -> StorageError:
        name, host = self.address.name, self.address.host
        scan = f"ssh-keyscan -p {self.address.port} {host} >> {known}"
        if isinstance(error, paramiko.BadHostKeyException):
            return BadCredentials(f"{name} has another host key than {known} says: an impostor, or a new installation")
        if isinstance(error, paramiko.AuthenticationException):
            return BadCredentials(f"{name} does not accept the key or password")
        if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
            return ConfigurationError(f"{name} has no known host key; compare its fingerprint, then type: {scan}")
        if isinstance(error, FileNotFoundError | PermissionError):
            return ConfigurationError(f"{error.filename} can't be read: {os.strerror(error.errno or 0)}")
        return Unreachable(f"{name} does not answer: {type(error).__name__}")

    def _lost(self, error: Exception) -> StorageError:
        self.close()
        return Unreachable(f"the connection to {self.address.name} was lost: {type(error).__name__}")


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


def is_missing(error: StorageError) -> bool:
    """Whether the server said that there is no such file."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOENT
