"""SFTP beyond the conformance suite: who is let in, what no path leads to, and lost connections. On OpenSSH."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from socket import SO_SNDBUF, SOL_SOCKET
from urllib.parse import unquote, urlsplit

import pytest
from paramiko import sftp as protocol

from storage_backends import errors
from storage_backends.base import Attributes, Kind, PartialId
from storage_backends.registry import open_storage
from storage_backends.sftp import connecting, connection, packets, ranges, reading
from storage_backends.sftp.connecting import Address
from storage_backends.sftp.packetizer import AeadPacketizer
from tests.acceptance.clouds import sftp_place
from tests.conformance.storage.places import content, put
from tests.support.counting_proxy import CountingProxy

WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.fixture
def url():
    return sftp_place()


@pytest.fixture
def root(url):
    """The directory behind it, which is on this machine."""
    return Path(unquote(urlsplit(url).path))


@pytest.fixture
def storage(url):
    storage = open_storage(url)
    yield storage
    storage.close()


def test_an_unknown_host_key_is_refused_with_what_to_type(url, tmp_path):
    (tmp_path / "known").write_text("")
    storage = open_storage(f"{url.partition('?')[0]}?known_hosts={tmp_path}/known")
    with pytest.raises(errors.ConfigurationError, match=r"compare its fingerprint, then type: ssh-keyscan -p \d+"):
        storage.probe()
    storage.close()


def test_another_host_key_than_the_known_one_is_refused(url, tmp_path):
    known = Path(unquote(url.partition("known_hosts=")[2]))
    other = known.read_text().rpartition(" ")[0].split()
    stranger = (known.parent / "client_key.pub").read_text().split()[1]
    (tmp_path / "known").write_text(f"{other[0]} ssh-ed25519 {stranger}\n")
    storage = open_storage(f"{url.partition('?')[0]}?known_hosts={tmp_path}/known")
    with pytest.raises(errors.BadCredentials, match="another host key"):
        storage.probe()
    storage.close()


def test_a_key_that_does_not_fit_is_refused(url):
    wrong = Path(unquote(url.partition("known_hosts=")[2])).with_name("host_key")
    query = url.partition("?")[2].partition("&")[2]
    storage = open_storage(f"{url.partition('?')[0]}?key_file={wrong}&{query}")
    with pytest.raises(errors.BadCredentials):
        storage.probe()
    storage.close()


@pytest.mark.parametrize("url", ["sftp://", "sftp://host:port/x", "sftp://host", "sftp://host/x?password=secret"])
def test_a_wrong_url_is_refused(url):
    with pytest.raises(errors.ConfigurationError) as told:
        open_storage(url)
    assert "secret" not in str(told.value)


def test_a_password_is_never_shown():
    assert "secret" not in repr(Address("host", 22, "user", "secret", None, None))


def test_a_server_that_is_not_there_is_unreachable():
    storage = open_storage("sftp://user@127.0.0.1:9/x")
    with pytest.raises(errors.Unreachable):
        storage.probe()
    storage.close()


@pytest.fixture
def trap(root, tmp_path):
    """Links out of the root, and a secret beside it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(outside)
    (root / "d").mkdir()
    (root / "d/secret").symlink_to(outside / "secret")
    return outside


@pytest.mark.parametrize("path", [b"out/secret", b"d/secret"])
def test_no_link_is_followed_when_reading(storage, trap, path):
    with pytest.raises(errors.StorageError):
        content(storage, path)
    with pytest.raises(errors.StorageError):
        storage.read_whole(path, 100)


def test_no_link_is_followed_when_writing(storage, trap):
    with pytest.raises(errors.SymlinkRefused):
        put(storage, b"out/new")
    with pytest.raises(errors.SymlinkRefused):
        token = storage.begin_upload(b"out/big", size=9, attributes=Attributes(), source_version="v", partial=WHO)
        storage.resume_upload(token, WHO)
    put(storage, b"d/secret", b"ours")  # takes the place of the link
    assert sorted(os.listdir(trap)) == ["secret"] and (trap / "secret").read_bytes() == b"secret"


def test_no_link_is_followed_when_listing(storage, trap):
    found = {info.path: info.kind for info in storage.list_files()}
    assert found == {b"d/": Kind.DIRECTORY, b"d/secret": Kind.SYMLINK, b"out": Kind.SYMLINK}


@pytest.mark.parametrize("path", [b"out", b"out/deeper"])
def test_a_jobs_directory_that_lies_behind_a_link_is_refused(url, trap, path):
    (trap / "deeper").mkdir()
    with closing(open_storage(url, path)) as storage:
        for ask in (
            storage.probe,
            storage.root_identity,
            lambda: list(storage.list_files()),
            lambda: put(storage, b"new"),
            lambda: storage.write_directory(b"", Attributes(mode=0o700)),
            lambda: storage.delete_file(b"secret"),
        ):
            with pytest.raises(errors.SymlinkRefused, match=f"'{path.decode()}' leads over a symbolic link"):
                ask()
    with pytest.raises(errors.SymlinkRefused):
        open_storage(url, path + b"/made", create=True)
    assert sorted(os.listdir(trap)) == ["deeper", "secret"] and not os.listdir(trap / "deeper")


def test_an_operators_directory_that_is_missing_is_told_and_not_made(url, root):
    missing = urlsplit(url)._replace(path=f"{root}/missing").geturl()
    with closing(open_storage(missing)) as storage:
        for ask in (storage.probe, lambda: list(storage.list_files()), lambda: put(storage, b"f")):
            with pytest.raises(errors.NotFound, match="the directory does not exist"):
                ask()
    with pytest.raises(errors.NotFound):
        open_storage(missing, b"job", create=True)
    assert not (root / "missing").exists()


def test_a_listing_asks_nothing_about_single_files(storage, root, monkeypatch):
    asked, ask = [], connection.Connection.ask

    def noting(self, *what, **more):
        asked.append(1)
        return ask(self, *what, **more)

    monkeypatch.setattr(connection.Connection, "ask", noting)
    (root / "d").mkdir()
    needed = []
    for count in (1, 40):
        for number in range(count):
            (root / f"d/f{number:02}").write_bytes(b"data")
        asked.clear()
        infos = [info for info in storage.list_files() if info.kind is Kind.FILE]
        needed.append(len(asked))
        assert len(infos) == count and {info.size for info in infos} == {4}
    assert needed[1] <= needed[0], "so many requests for 40 files and for 1"


def test_to_see_that_a_directory_is_not_empty_only_its_beginning_is_read(storage, root, monkeypatch):
    asked, do = [], connection.Connection.do
    monkeypatch.setattr(
        connection.Connection, "do", lambda self, *what: asked.append(what[1]) or do(self, *what)
    )
    for number in range(1_000):
        (root / f"f{number:04}").touch()
    assert storage.root_identity()._replace(is_empty=True) != storage.root_identity()
    assert asked.count(protocol.CMD_READDIR) == 2
    assert len(list(storage.list_files())) == 1_000 and asked.count(protocol.CMD_READDIR) > 4


def test_a_lost_connection_is_told_and_the_next_request_connects_again(storage):
    put(storage, b"f", b"data")
    storage._connection.sessions.ssh.get_transport().sock.close()
    with pytest.raises(errors.Unreachable):
        for _ in range(3):
            storage.get_file_info(b"f")
    assert content(storage, b"f") == b"data"


def test_a_server_that_takes_nothing_any_more_is_given_up_by_who_sends(url, tmp_path, monkeypatch):
    monkeypatch.setattr(packets, "ANSWER_SECONDS", 1.0)
    place = urlsplit(url)
    with ThreadPoolExecutor() as pool, CountingProxy(place.port) as proxy:
        address, _, known = url.replace(f":{place.port}/", f":{proxy.port}/").partition("&known_hosts=")
        (tmp_path / "known").write_text(Path(unquote(known)).read_text().replace(f":{place.port} ", f":{proxy.port} "))
        storage = open_storage(f"{address}&known_hosts={tmp_path}/known")
        token = storage.begin_upload(b"f", size=2 << 20, attributes=Attributes(), source_version="v", partial=WHO)
        session = storage.resume_upload(token, WHO)
        storage._connection.sessions.ssh.get_transport().sock.setsockopt(SOL_SOCKET, SO_SNDBUF, 64 << 10)
        proxy.hold_from = proxy.sent_bytes + 1
        with pytest.raises(errors.Unreachable):
            pool.submit(session.write_part, 0, memoryview(bytes(2 << 20))).result(timeout=20)
        storage.close()


@pytest.fixture
def batch(storage):
    """Of six files, each longer than the next."""
    batch = storage.write_batch()
    for n in range(6):
        partial = PartialId("0123abcd", f"{n:020}", 1)
        batch.stage(b"f%d" % n, b"%d" % n * (9 - n), Attributes(), partial)
    return batch


def test_a_connection_lost_while_a_batch_is_opened_mixes_up_no_files(storage, batch, root, monkeypatch):
    connection, first = storage._connection, storage._connection.sessions.first
    take = connection.handle

    def handle(request, path):
        if request.session is not first or path < b"f3":
            return take(request, path)
        if path == b"f3":
            connection.close()
        raise errors.Unreachable("the answer never came")

    monkeypatch.setattr(connection, "handle", handle)
    with pytest.raises(errors.Unreachable):
        batch.flush()
    with pytest.raises(errors.StorageError):
        batch.publish([b"f%d" % n for n in range(6)])
    assert not list(root.glob("f*"))


def test_a_partial_of_a_batch_that_is_longer_than_what_was_written_is_not_published(batch, root, monkeypatch):
    finish = type(batch)._finish

    def longer(self, each):
        with open(each.own, "ab") as partial:
            partial.write(b"more")
        return finish(self, each)

    monkeypatch.setattr(type(batch), "_finish", longer)
    batch.flush()
    answers = batch.publish([b"f%d" % n for n in range(6)])
    assert {type(each) for each in answers.values()} == {errors.ChecksumMismatch} and not list(root.glob("f*"))


def test_a_full_disk_is_told_as_such(storage, monkeypatch):
    monkeypatch.setattr(type(storage._connection), "is_full", lambda self, full: True)
    failed = errors.StorageError("the server says Failure")
    from storage_backends.sftp.upload import explained

    assert isinstance(explained(storage._connection, b"/x/f", failed), errors.NoSpace)


def test_the_cipher_is_the_one_that_costs_least(storage):
    storage.probe()
    transport = storage._connection.sessions.ssh.get_transport()
    assert transport.local_cipher == transport.remote_cipher == "aes128-gcm@openssh.com"


def test_new_keys_are_agreed_on_while_a_large_file_is_under_way(storage, monkeypatch):
    monkeypatch.setattr(AeadPacketizer, "REKEY_BYTES", 3 << 20)
    data = os.urandom(24 << 20)
    token = storage.begin_upload(b"f", size=len(data), attributes=Attributes(), source_version="v", partial=WHO)
    session = storage.resume_upload(token, WHO)
    first = storage._connection.sessions.ssh.get_transport().packetizer._sealer
    part = token.part_bytes

    def there_and_back(number):
        session.write_part(number, memoryview(data)[number * part : (number + 1) * part])
        back = memoryview(bytearray(part))
        assert session.read_part(number, back) == part
        return back == data[number * part : (number + 1) * part]

    with ThreadPoolExecutor(storage.capabilities.parts_in_flight) as threads:
        assert all(threads.map(there_and_back, range(token.part_count)))
    session.prepare(b"s" * 32)
    session.commit()
    session.close()
    assert content(storage, b"f") == data
    assert storage._connection.sessions.ssh.get_transport().packetizer._sealer is not first


def test_more_is_read_than_fits_into_the_window(storage, root, monkeypatch):
    monkeypatch.setattr(connecting, "WINDOW_BYTES", 8 << 20)
    monkeypatch.setattr(packets, "ANSWER_SECONDS", 2.0)
    data = os.urandom(24 << 20)
    (root / "f").write_bytes(data)
    assert content(storage, b"f") == data


def test_a_connection_lost_while_reading_is_no_end_of_the_file(storage):
    put(storage, b"f", bytes(9 << 20))
    with storage.open_file(b"f") as file:
        file.read_into(0, memoryview(bytearray(1 << 20)))
        storage._connection.sessions.ssh.get_transport().sock.close()
        with pytest.raises(errors.Unreachable):
            for number in range(1, 9):
                assert file.read_into(number << 20, memoryview(bytearray(1 << 20))) == 1 << 20


@pytest.mark.parametrize("most", [1000, 32 << 10])
def test_a_server_that_sends_less_than_it_is_asked_for_is_read_all_the_same(storage, monkeypatch, most):
    """As servers written in Go do: 32 KiB and no more."""
    asked = []

    def ask_range(connection, handle, offset, length, *room):
        asked.append(length)
        return real(connection, handle, offset, min(length, most), *room)._replace(length=length)

    real = ranges.ask_range
    for room in (ranges, reading):
        monkeypatch.setattr(room, "ask_range", ask_range)
    data = os.urandom(700_001)
    put(storage, b"f", data)  # which reads it back
    assert storage.read_whole(b"f", 1 << 20)[1] == data
    assert content(storage, b"f") == data
    assert max(asked[-20:]) <= max(most, ranges.LEAST_BYTES), "it still asks for more than is sent"


def test_nothing_is_read_through_a_handle_that_was_opened_for_writing(storage, monkeypatch):
    """Servers written in Go (`rclone serve sftp`) take it for a write, and write whatever lies in their memory."""
    flags, read = {}, []

    def ask_open(self, full, how, mode=None, **session):
        request = real_ask_open(self, full, how, mode, **session)
        flags[id(request)] = how, request
        return request

    def handle(self, request, path):
        found = real_handle(self, request, path)
        flags[found.session, bytes(found)] = flags[id(request)][0]
        return found

    def ask_range(connection, handle, offset, length, *room):
        read.append(flags[handle.session, bytes(handle)])
        return real_ask_range(connection, handle, offset, length, *room)

    real_ask_open, real_handle = connection.Connection.ask_open, connection.Connection.handle
    real_ask_range = ranges.ask_range
    monkeypatch.setattr(connection.Connection, "ask_open", ask_open)
    monkeypatch.setattr(connection.Connection, "handle", handle)
    for room in (ranges, reading):
        monkeypatch.setattr(room, "ask_range", ask_range)
    data = os.urandom(200_001)
    put(storage, b"f", data)
    token = storage.begin_upload(b"g", size=len(data), attributes=Attributes(), source_version="v", partial=WHO)
    for _ in range(2):  # begun, and taken over
        with closing(storage.resume_upload(token, WHO)) as session:
            session.write_part(0, memoryview(data))
            buffer = memoryview(bytearray(len(data)))
            assert session.read_part(0, buffer) == len(data) and buffer == data
            token = session.token
    assert len(read) >= 3 and set(read) == {connection.FLAG_READ}


@pytest.mark.parametrize("path", [b"", b"deeper"])
def test_a_root_at_the_top_of_the_server_is_one(url, root, path):
    """As where the server shuts its users in."""
    (root / "deeper").mkdir()
    below = os.fsencode(root / os.fsdecode(path))[1:].rstrip(b"/")
    parts = urlsplit(url)
    storage = open_storage(parts._replace(path="/").geturl(), below)
    try:
        put(storage, b"d/f", b"data")
        assert (root / os.fsdecode(path) / "d" / "f").read_bytes() == b"data"
        assert [entry.path for entry in storage.list_files() if entry.kind is Kind.FILE][-1] == b"d/f"
    finally:
        storage.close()


def test_a_handle_leads_to_no_other_file_on_another_connection(storage):
    put(storage, b"f", b"the one")
    put(storage, b"g", b"another")
    with storage.open_file(b"f") as file:
        storage._connection.sessions.ssh.get_transport().sock.close()
        with pytest.raises(errors.Unreachable):
            for _ in range(3):
                storage.get_file_info(b"g")
        with storage.open_file(b"g") as other:
            assert other._handle == file._handle, "this test asks for a server that counts its handles"
            with pytest.raises(errors.Unreachable):
                file.read_into(0, memoryview(bytearray(7)))
            file.close()
            assert other.read_into(0, memoryview(buffer := bytearray(7))) == 7 and buffer == b"another"
