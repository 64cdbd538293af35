"""Our packetizer against paramiko's own, at the other end of a socket: whatever moves in paramiko shows here."""

import os
import random
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from itertools import pairwise

import paramiko
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from paramiko.buffered_pipe import BufferedPipe

from storage_backends.sftp.aead import Cipher, agreed
from storage_backends.sftp.arriving import BUFFER_BYTES
from storage_backends.sftp.channel_data import Pieces
from storage_backends.sftp.packetizer import AeadPacketizer
from storage_backends.sftp.sending import send_all

GCM = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
KEY = paramiko.ECDSAKey.generate()


class Server(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


class Pipe(BufferedPipe):
    def feed(self, data):
        super().feed(b"".join(data) if isinstance(data, Pieces) else data)


class Small(AeadPacketizer):
    """New keys every 200 KB."""

    REKEY_BYTES = 200_000


@contextmanager
def connected(cipher, packetizer=AeadPacketizer, between=lambda sock: sock):
    ours, theirs = socket.socketpair()
    server = paramiko.Transport(theirs)
    client = paramiko.Transport(between(ours), packetizer_class=packetizer)
    client.get_security_options().ciphers = [cipher]
    try:
        server.add_server_key(KEY)
        server.start_server(threading.Event(), Server())
        client.connect(username="user", password="password")
        near = client.open_session()
        near.in_buffer = Pipe()
        far = server.accept(10)
        near.settimeout(20)
        far.settimeout(20)
        yield client, near, far
    finally:
        client.close()
        server.close()


def there_and_back(near, far, count):
    """Both ways at once, in pieces of any size."""
    data, sizes = os.urandom(count), random.Random(count)
    echo = threading.Thread(target=lambda: [far.sendall(far.recv(70_000)) for _ in iter(lambda: far.closed, True)])
    echo.daemon = True
    echo.start()

    def send():
        at = 0
        while at < count:
            piece = data[at : at + sizes.choice((1, 15, 16, 17, 1000, 40_000, 900_000))]
            cuts = sorted(sizes.choices(range(len(piece)), k=3))
            if sizes.random() < 0.5:
                near.sendall(piece)
            else:
                send_all(near, [piece[a:b] for a, b in pairwise([0, *cuts, len(piece)])])
            at += len(piece)

    sender = threading.Thread(target=send)
    sender.start()
    came = bytearray()
    while len(came) < count:
        piece = near.recv(1 << 20)
        assert piece, "the connection ended"
        came += piece
    sender.join()
    assert came == data


@pytest.mark.parametrize("cipher", [*GCM, "aes128-ctr"])
def test_what_is_sent_arrives(cipher):
    with connected(cipher) as (client, near, far):
        assert client.local_cipher == client.remote_cipher == cipher
        there_and_back(near, far, 3_000_000)


@pytest.mark.parametrize("cipher", GCM)
def test_new_keys_are_agreed_on_in_the_middle(cipher):
    with connected(cipher, Small) as (client, near, far):
        first = client.packetizer._sealer
        there_and_back(near, far, 3_000_000)
        assert client.packetizer._sealer is not first
        assert client.packetizer._sealer.bytes < 3_000_000


def test_nothing_is_sent_over_a_channel_that_is_closed():
    with connected(GCM[0]) as (_, near, _):
        near.close()
        with pytest.raises(OSError, match="closed"):
            send_all(near, [b"data"])


class Flipping:
    """A socket whose incoming bytes are changed on demand."""

    def __init__(self, sock):
        self._sock, self.change = sock, None

    def recv_into(self, room):
        count = self._sock.recv_into(room)
        if self.change is not None and count:
            self.change(room[:count])
        return count

    def __getattr__(self, name):
        return getattr(self._sock, name)


def flip_last(came):
    came[-1] ^= 1


def claim_much(came):
    came[:4] = BUFFER_BYTES.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("change", "told"), [(flip_last, "changed on its way"), (claim_much, "a packet of 524,288 bytes")]
)
def test_a_changed_packet_ends_the_connection(change, told):
    sockets = []
    with connected(GCM[0], between=lambda sock: sockets.append(Flipping(sock)) or sockets[0]) as (client, near, far):
        there_and_back(near, far, 10_000)
        sockets[0].change = change
        far.sendall(b"data")
        assert near.recv(4) == b""
        assert told in str(client.saved_exception)


def test_what_goes_through_either_direction_counts_towards_new_keys():
    sealer, opener = (Cipher(AESGCM(bytes(16)), bytes(12)) for _ in range(2))
    room = memoryview(bytearray(1000))
    for plain in (b"first", b"second"):
        assert opener.open(room[: sealer.seal(plain, room, 0)]) == plain
    assert (sealer.bytes, sealer.packets) == (opener.bytes, opener.packets) == (11 + 2 * (4 + 16), 2)


def test_a_server_that_agrees_to_no_new_keys_is_left(monkeypatch):
    monkeypatch.setattr(Small, "REKEY_BYTES_OVERFLOW_MAX", 1000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        packetizer, cipher = Small(ours), Cipher(None, bytes(12))
        cipher.bytes = Small.REKEY_BYTES - 1
        packetizer._watch(cipher)
        assert not packetizer.need_rekey()
        cipher.bytes += 1001
        packetizer._watch(cipher)
        assert packetizer.need_rekey()
        cipher.bytes += 1
        with pytest.raises(paramiko.SSHException, match="no new keys"):
            packetizer._watch(cipher)


def test_nobody_is_talked_into_a_weaker_kind_of_cipher_later():
    assert agreed(None, None, {"aead": False}, "iv_in") is None
    with pytest.raises(paramiko.SSHException, match="another kind of cipher"):
        agreed(Cipher(None, bytes(12)), None, {"aead": False}, "iv_in")


def test_paramiko_comes_without_what_only_its_configuration_files_need():
    code = "import sys, storage_backends.sftp; print(sorted({'invoke', 'unittest.mock'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
