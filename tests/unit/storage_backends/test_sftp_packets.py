"""Requests and answers of SFTP, on a channel that a test answers for."""

import random
import struct
import threading
import time
from types import SimpleNamespace

import pytest
from paramiko import SSHException
from paramiko import sftp as protocol

from storage_backends.errors import StorageError
from storage_backends.sftp import inbox, packets
from storage_backends.sftp.channel_data import Pieces
from storage_backends.sftp.packets import Session, raise_for_status
from storage_backends.sftp.ranges import Range, take_all


class Channel:
    """Keeps what is sent; what `recv` returns opens the window."""

    def __init__(self):
        self.sent, self.told = [], 0

    def settimeout(self, seconds):
        pass

    def sendall(self, fields):
        self.sent.append(b"".join(fields))

    def recv(self, most):
        self.told += len(self.in_buffer.read(most))


@pytest.fixture
def channel():
    return Channel()


@pytest.fixture
def session(channel):
    return Session(channel, channel.sendall)


def answer(number, kind=protocol.CMD_DATA, body=b""):
    return struct.pack(">IBI", 5 + len(body), kind, number) + body


def test_requests_gather_until_an_answer_is_waited_for(channel, session):
    asked = [session.ask(protocol.CMD_LSTAT, b"/a%d" % number) for number in range(3)]
    assert channel.sent == []
    channel.in_buffer.feed(b"".join(answer(number, body=b"%d" % number) for number in range(3)))
    assert [bytes(session.take(request)) for request in asked] == [b"0", b"1", b"2"]
    assert channel.sent == [b"".join(struct.pack(">IBII", 12, 7, n, 3) + b"/a%d" % n for n in range(3))]


def test_what_is_written_is_sent_as_it_was(channel, session):
    """Also a little that is sent later."""
    for size in (5, 100_000):
        data = bytearray(b"x" * size)
        session.ask_writes(b"h", 7, memoryview(data), 40_000)
        data[:] = b"y" * size
        session.flush()
    sent = b"".join(channel.sent)
    assert b"y" not in sent and sent.count(b"x") == 100_005
    assert struct.pack(">QI", 7, 5) in sent and struct.pack(">QI", 7 + 80_000, 20_000) in sent


def cut(stream, cutter, counts, pieces):
    """All of it, so many pieces at a time, each of so many bytes."""
    while stream:
        came = Pieces()
        for _ in range(pieces):
            count = cutter.choice(counts)
            came.append(memoryview(stream[:count]))
            stream = stream[count:]
        yield came


@pytest.mark.parametrize("pieces", [1, 3])
def test_answers_are_whole_however_they_are_cut(channel, session, pieces):
    bodies = [random.Random(number).randbytes(number * 13 % 90) for number in range(60)]
    for seed in range(50):
        asked = {number: session.ask(protocol.CMD_READ, b"h") for number in range(60 * seed, 60 * seed + 60)}
        order = random.Random(seed).sample(sorted(asked), 60)
        stream = b"".join(answer(number, body=bodies[number % 60]) for number in order)
        cutter = random.Random(seed)
        for came in cut(stream, cutter, (1, 2, 3, 5, 8, 9, 10, 200), pieces):
            channel.in_buffer.feed(came if pieces > 1 else came[0])
        for number, request in asked.items():
            assert bytes(session.take(request)) == bodies[number % 60]


@pytest.mark.parametrize("pieces", [1, 3])
def test_what_is_read_goes_where_it_is_wanted_however_it_is_cut(channel, session, pieces):
    """Also less than there is room for; what is no data, or more, goes nowhere."""
    for seed in range(100):
        cutter = random.Random(seed)
        rooms = [memoryview(bytearray(80)) for _ in range(8)]
        sizes = [cutter.choice((1, 30, 79, 80, 81)) for _ in rooms]
        asked = [session.ask(protocol.CMD_READ, b"h", room=room) for room in rooms]
        bodies = [struct.pack(">I", size) + cutter.randbytes(size) for size in sizes]
        ended, stream = cutter.randrange(8), b""
        for number in cutter.sample(range(8), 8):
            kind = protocol.CMD_STATUS if number == ended else protocol.CMD_DATA
            stream += answer(8 * seed + number, kind, bodies[number])
        for came in cut(stream, cutter, (1, 5, 9, 12, 13, 14, 50, 200), pieces):
            channel.in_buffer.feed(came)
        for number, (request, room, size, body) in enumerate(zip(asked, rooms, sizes, bodies, strict=True)):
            is_put = number != ended and size <= 80
            assert bytes(session.take(request)) == (b"" if is_put else body)
            assert (request.filled, bytes(room)) == ((size, body[4:].ljust(80, b"\0")) if is_put else (0, bytes(80)))


def test_the_server_is_told_of_every_byte_that_came(channel, session, monkeypatch):
    monkeypatch.setattr(packets, "TOLD_BYTES", 1000)
    came = 0
    for number in range(100):
        request = session.ask(protocol.CMD_READ, b"h")
        came += 9 + 300
        channel.in_buffer.feed(answer(number, body=b"x" * 300))
        session.take(request)
        assert came - channel.told < 1000
    assert channel.told > 30_000


def test_an_answer_nobody_waits_for_is_dropped(channel, session):
    session.tell(protocol.CMD_CLOSE, [b"h"])
    request = session.ask(protocol.CMD_READ, b"h")
    channel.in_buffer.feed(answer(0) + answer(99) + answer(1, body=b"data"))
    assert bytes(session.take(request)) == b"data"


@pytest.mark.parametrize("length", [0, 4, inbox.MOST_BYTES + 1, 0xFFFFFFFF])
def test_an_answer_of_an_impossible_length_ends_the_connection(channel, session, length):
    with pytest.raises(SSHException, match=f"{length:,} bytes"):
        channel.in_buffer.feed(struct.pack(">IBI", length, protocol.CMD_DATA, 0))


def test_more_bytes_than_were_asked_for_are_refused(channel, session):
    asked = session.ask(protocol.CMD_READ, b"h", protocol.int64(0), 3)
    channel.in_buffer.feed(answer(0, body=struct.pack(">I", 4) + b"four"))
    connection = SimpleNamespace(settle=list, data=lambda request, path: session.take(request)[4:])
    with pytest.raises(StorageError, match="more of 'name' than it was asked for"):
        take_all(connection, b"h", [Range(0, 3, asked)], memoryview(bytearray(3)), b"name")


def test_who_waits_is_told_when_the_connection_ends(channel, session):
    before = session.ask(protocol.CMD_READ, b"h")
    threading.Timer(0.05, channel.in_buffer.close).start()
    with pytest.raises(ConnectionError):
        session.take(before)
    with pytest.raises(ConnectionError):
        session.take(session.ask(protocol.CMD_READ, b"h"))


def test_a_silent_server_is_given_up_and_a_slow_one_is_not(channel, session, monkeypatch):
    monkeypatch.setattr(packets, "ANSWER_SECONDS", 0.2)
    request = session.ask(protocol.CMD_READ, b"h")

    def slowly():
        for byte in answer(0, body=b"datadata"):
            time.sleep(0.05)
            channel.in_buffer.feed(bytes([byte]))

    threading.Thread(target=slowly).start()
    assert bytes(session.take(request)) == b"datadata"
    with pytest.raises(TimeoutError):
        session.take(session.ask(protocol.CMD_READ, b"h"))


@pytest.mark.parametrize(
    ("code", "error", "number"), [(1, EOFError, None), (2, OSError, 2), (3, OSError, 13), (4, OSError, None)]
)
def test_a_status_is_what_the_server_says(code, error, number):
    with pytest.raises(error, match="why") as told:
        raise_for_status(memoryview(struct.pack(">II", code, 3) + b"why"))
    assert getattr(told.value, "errno", None) == number
    raise_for_status(memoryview(struct.pack(">I", 0)))
