"""The engine with SFTP as its sink: read back and made durable beside the writing, and it is still the sink that is
read. On OpenSSH."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from storage_backends.errors import StorageError
from storage_backends.sftp.connection import Connection
from tests.acceptance.clouds import sftp_place
from tests.servers.sftp import PrivateSftp
from tests.unit.engine.disturbances import around_session
from tests.unit.engine.doubles import PART, Around, pattern, sha256
from transfers.engine import large
from transfers.engine.contracts import Result

BIG = 20 * PART + 1234
SERVICE = "sftp"


def prefix(url):
    """The directory that is copied to, which is on this machine."""
    return Path(unquote(urlsplit(url).path)) / "prefix"


@pytest.fixture
def sftp_url():
    url = sftp_place()
    prefix(url).mkdir()
    return url


@pytest.fixture
def one_session_url():
    server = PrivateSftp()
    config = server.directory / "sshd_config"
    config.write_text(config.read_text().replace("MaxSessions 100", "MaxSessions 1"))
    server.start()
    prefix(server.url).mkdir()
    yield server.url
    server.remove()


def around_sessions(bench, **replaced):
    """Every upload's session with these methods, which get the session first."""

    def wrap(session):
        return Around(session, **{name: lambda *args, do=do: do(session, *args) for name, do in replaced.items()})

    around_session(bench, wrap)


@pytest.mark.parametrize("spoilt", [0, 7, 20])
def test_a_byte_that_changes_at_the_server_after_it_was_sent_is_found(bench, sink, big, sftp_url, spoilt):
    def write_part(session, number, data):
        session.write_part(number, data)
        if number == spoilt:
            [partial] = prefix(sftp_url).glob(".syncf-*")
            with partial.open("r+b") as file:
                file.seek(number * PART + 123)
                file.write(bytes([pattern(BIG)[number * PART + 123] ^ 1]))

    around_sessions(bench, write_part=write_part)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.RETRY and "read back wrong" in outcome.reason_text
    assert not sink.file_exists(b"big")
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(BIG)))


def test_nothing_that_is_read_back_or_made_durable_waits_for_what_is_written(bench, big):
    """Here whoever writes the next part waits for ever, as for a server that takes nothing any more."""

    def write_part(session, number, data):
        session.write_part(number, data)
        if number == 0:
            room = memoryview(bytearray(PART))
            with ThreadPoolExecutor() as threads, session._handle.session._sending:
                assert threads.submit(session.read_part, 0, room).result(20) == PART
                threads.submit(session.sync).result(20)
            assert room == data

    around_sessions(bench, write_part=write_part)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED


def test_a_server_that_allows_one_session_gets_no_more(bench, big, one_session_url):
    bench.sink = bench.sink._replace(url=one_session_url)
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(BIG)))


def test_a_server_that_wants_the_handle_that_writes_to_make_it_durable_gets_it(bench, big, monkeypatch):
    """As OpenSSH on Windows does."""
    done, real = [], Connection.fsync

    def fsync(connection, handle, path):
        if handle.session is not connection.sessions.first:
            raise StorageError("the server says: Failure")
        real(connection, handle, path)
        done.append(handle)

    monkeypatch.setattr(Connection, "fsync", fsync)
    monkeypatch.setattr(large, "CHECKPOINT_BYTES", 4 * PART)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED and len(done) > 1
