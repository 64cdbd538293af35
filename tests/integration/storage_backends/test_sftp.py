"""SFTP beyond the conformance suite: who is let in, what no path leads to, and lost connections. On OpenSSH."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from storage_backends import errors
from storage_backends.base import Attributes, Kind, PartialId
from storage_backends.registry import open_storage
from storage_backends.sftp.connection import Address
from tests.acceptance.clouds import sftp_place
from tests.conformance.storage.places import content, put

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


def test_a_lost_connection_is_told_and_the_next_request_connects_again(storage):
    put(storage, b"f", b"data")
    storage._connection._ssh.get_transport().sock.close()
    with pytest.raises(errors.Unreachable):
        for _ in range(3):
            storage.get_file_info(b"f")
    assert content(storage, b"f") == b"data"


def test_a_full_disk_is_told_as_such(storage, monkeypatch):
    monkeypatch.setattr(type(storage._connection), "is_full", lambda self, full: True)
    failed = errors.StorageError("the server says Failure")
    from storage_backends.sftp.upload import explained

    assert isinstance(explained(storage._connection, b"/x/f", failed), errors.NoSpace)


def test_the_cipher_is_the_one_that_costs_least(storage):
    storage.probe()
    transport = storage._connection._ssh.get_transport()
    assert transport.local_cipher == transport.remote_cipher == "aes128-gcm@openssh.com"
