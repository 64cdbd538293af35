"""One SSH connection and the SFTP sessions over it: made at the first request, and again after it was lost.

Several threads may use it. Nothing but here closes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import paramiko

from storage_backends.errors import StorageError, Unreachable
from storage_backends.sftp import kept
from storage_backends.sftp.connecting import CONNECT_SECONDS, Address, connect, refused
from storage_backends.sftp.packets import Session
from storage_backends.sftp.sending import send_all

T = TypeVar("T")


class Sessions:
    """Those with one server."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.ssh: paramiko.SSHClient | None = None
        """The connection, while there is one."""
        self.first: Session | None = None
        """The one that everything goes over which asks for no other."""
        self._beside: dict[str, Session] = {}
        self._connecting = threading.Lock()

    def open(self) -> Session:
        """The first one. Raises StorageError."""
        with self._connecting:
            return self.first or self._connect()

    def beside(self, purpose: str) -> Session:
        """One more session over the same connection, for one purpose: what it is asked for waits for nothing that the
        first one is asked for. It is the first one where the server allows no more. Raises StorageError."""
        first = self.open()
        with self._connecting:
            if purpose not in self._beside:
                self._beside[purpose] = self.do(first, partial(self._another, first))
            return self._beside[purpose]

    def do(self, session: Session, step: Callable[[], T]) -> T:
        """A step of that session; one that fails has lost the connection. Raises Unreachable."""
        try:
            return step()
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(session, error) from error

    def close(self) -> None:
        """Somebody else may take the connection over. Idempotent."""
        ssh, sessions = self._forget()
        if ssh is not None:
            with suppress(OSError, EOFError):  # it is lost, and so not kept
                for session in sessions:
                    session.close()
            kept.keep(self.address, ssh)

    def _another(self, first: Session) -> Session:
        try:
            return _session(self.ssh) if self.ssh else first
        except paramiko.ChannelException:
            return first

    def _connect(self) -> Session:
        ssh = kept.take(self.address)
        if ssh is not None:
            with suppress(OSError, EOFError, paramiko.SSHException):  # it is lost, and nothing was asked over it
                self.ssh, self.first = ssh, _session(ssh)
                return self.first
            ssh.close()
        return self._log_in()

    def _log_in(self) -> Session:
        ssh = paramiko.SSHClient()
        try:
            connect(ssh, self.address)
            session = _session(ssh)
        except BaseException as error:
            ssh.close()
            if isinstance(error, Exception):
                raise refused(self.address, error) from error
            raise
        self.ssh, self.first = ssh, session
        return session

    def _lost(self, session: Session, error: Exception) -> StorageError:
        if session in (self.first, *self._beside.values()):
            ssh, _ = self._forget()
            if ssh is not None:
                ssh.close()
        return Unreachable(f"the connection to {self.address.name} was lost: {type(error).__name__}")

    def _forget(self) -> tuple[paramiko.SSHClient | None, list[Session]]:
        ssh, sessions = self.ssh, [*filter(None, [self.first]), *self._beside.values()]
        self.ssh, self.first, self._beside = None, None, {}
        return ssh, sessions


def _session(ssh: paramiko.SSHClient) -> Session:
    channel = ssh.get_transport().open_session(timeout=CONNECT_SECONDS)  # type: ignore[union-attr]
    session = Session(channel, partial(send_all, channel))
    channel.invoke_subsystem("sftp")
    session.begin()
    return session
