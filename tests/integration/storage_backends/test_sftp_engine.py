"""The engine with SFTP as its sink: read back and made durable beside the writing, and it is still the sink that is
read. On OpenSSH."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from storage_backends.base import Kind
from storage_backends.errors import StorageError
from storage_backends.registry import open_storage
from storage_backends.sftp.connection import Connection
from tests.acceptance.clouds import sftp_place
from tests.conformance.storage.places import put
from tests.servers.sftp import PrivateSftp
from tests.unit.engine.disturbances import (
    around_session,
    assert_that_a_commit_nobody_recorded_is_not_sent_again,
    stop_after_parts,
)
from tests.unit.engine.doubles import PART, Around, pattern, sha256
from transfers.engine import large
from transfers.engine.contracts import Place, Result, Stop, Work

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


@contextmanager
def served(*changes):
    """The URL of a server of its own whose configuration is changed: (old, new)."""
    server = PrivateSftp()
    config = server.directory / "sshd_config"
    for change in changes:
        config.write_text(config.read_text().replace(*change))
    server.start()
    prefix(server.url).mkdir()
    yield server.url
    server.remove()


@pytest.fixture
def one_session_url():
    with served(("MaxSessions 100", "MaxSessions 1")) as url:
        yield url


@pytest.fixture
def read_only_url():
    with served(("Subsystem sftp internal-sftp", "Subsystem sftp internal-sftp -R")) as url:
        yield url


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


def test_what_was_committed_before_a_crash_is_not_sent_again(bench, big):
    assert_that_a_commit_nobody_recorded_is_not_sent_again(bench, big)


def test_a_partial_that_is_gone_is_begun_again_and_it_says_so(bench, sink, big, sftp_url, caplog):
    stop_after_parts(bench, 12, Stop.RELEASE)
    bench.run(big)
    [partial] = prefix(sftp_url).glob(".syncf-*")
    partial.unlink()
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert "big: starts over because the sink knows nothing of its upload any more" in caplog.text
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


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


@pytest.mark.parametrize("size", [10, BIG])
def test_a_server_that_lets_nobody_write_has_one_reason(bench, read_only_url, size):
    bench.sink = bench.sink._replace(url=read_only_url)
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.reason_code) == (Result.FAILED, "SINK_PERMISSION_DENIED"), outcome.reason_text
    assert "check mode and owner" in outcome.reason_text and "\n" not in outcome.reason_text


@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize("name", [b"n" * 256, b"n" * 256 + b"/f"], ids=["file", "directory"])
def test_a_name_that_is_too_long_for_a_server_fails_alone(bench, sink, request, size, name):
    """As a key of an object store may be."""
    bench.source = Place(f"memory://{request.node.name.encode().hex()}", b"")
    with closing(open_storage(bench.source.url)) as source:
        for path in (b"before", name, b"zz after"):
            put(source, path, pattern(size))
    names = [b"before", name, b"zz after"]
    outcomes = bench.run(*(Work(number, 1, 1, Kind.FILE, path, size) for number, path in enumerate(names)))
    assert [(each.result, each.reason_code) for each in outcomes] == [
        (Result.COMPLETED, ""),
        (Result.FAILED, "SINK_NAME_TOO_LONG"),
        (Result.COMPLETED, ""),
    ]


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
