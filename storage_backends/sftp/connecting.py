"""Connecting by SSH: to whom, how, and what may be wrong with it."""

from __future__ import annotations

import os
import socket
from typing import Any, NamedTuple

import paramiko

from storage_backends.errors import BadCredentials, ConfigurationError, StorageError, Unreachable
from storage_backends.sftp import packets
from storage_backends.sftp.packetizer import AeadPacketizer
from storage_backends.sftp.packets import WINDOW_BYTES

CONNECT_SECONDS = 10.0
PACKET_BYTES = 64 << 10
KNOWN_HOSTS = "~/.ssh/known_hosts"


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
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # else every connection waits twice for 40 ms
        # Who sends waits in no `take`: a server that takes nothing any more is given up by the kernel.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(packets.ANSWER_SECONDS * 1000))
        super().__init__(sock, WINDOW_BYTES, PACKET_BYTES, packetizer_class=AeadPacketizer, **options)


def connect(ssh: paramiko.SSHClient, address: Address) -> None:
    """Only to a server whose key is known. What it raises, `refused` tells."""
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


def refused(address: Address, error: Exception) -> StorageError:
    """What kept us from connecting, and what to do."""
    name, known = address.name, address.known_hosts or KNOWN_HOSTS
    scan = f"ssh-keyscan -p {address.port} {address.host} >> {known}"
    if isinstance(error, paramiko.BadHostKeyException):
        return BadCredentials(f"{name} has another host key than {known} says: an impostor, or a new installation")
    if isinstance(error, paramiko.AuthenticationException):
        return BadCredentials(f"{name} does not accept the key or password")
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        return ConfigurationError(f"{name} has no known host key; compare its fingerprint, then type: {scan}")
    if isinstance(error, FileNotFoundError | PermissionError):
        return ConfigurationError(f"{error.filename} can't be read: {os.strerror(error.errno or 0)}")
    return Unreachable(f"{name} does not answer: {type(error).__name__}")
