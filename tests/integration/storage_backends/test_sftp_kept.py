"""Connections that outlive a storage for a moment: who comes next uses them, and nobody holds them for long."""

import os
import time
from contextlib import closing

import pytest

from storage_backends import errors
from storage_backends.registry import open_storage
from storage_backends.sftp import kept
from tests.acceptance.clouds import sftp_place


@pytest.fixture(autouse=True)
def nothing_is_kept_yet():
    """What another test left behind a moment ago, perhaps of another server, is not looked at here."""
    for address in list(kept._kept):
        if ssh := kept.take(address):
            ssh.close()


@pytest.fixture
def url():
    return sftp_place()


@pytest.fixture
def used(url):
    """`used()`: the SSH connection of a storage that was opened, used and closed."""

    def use():
        with closing(open_storage(url)) as storage:
            storage.probe()
            return storage._connection.sessions.ssh

    yield use
    storage = open_storage(url)
    ssh = kept.take(storage._connection.sessions.address)
    if ssh is not None:
        ssh.close()


def is_open(ssh):
    return ssh.get_transport() is not None and ssh.get_transport().is_active()


def test_who_comes_next_needs_no_login_and_gets_a_session_of_his_own(url, used):
    first = used()
    with closing(open_storage(url)) as storage:
        storage.probe()
        assert storage._connection.sessions.ssh is first
        with closing(open_storage(url)) as other:
            other.probe()
            assert other._connection.sessions.ssh is not first, "while it is used nobody else gets it"


def test_a_forked_child_has_none_and_leaves_its_parents_alone(url, used, monkeypatch):
    """Two who write into one socket would spoil each other's packets."""
    monkeypatch.setattr(kept, "KEPT_SECONDS", 60.0)
    first = used()
    [address] = kept._kept
    pid = os.fork()
    if pid == 0:
        os._exit(0 if kept.take(address) is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with closing(open_storage(url)) as storage:
        storage.probe()
        assert storage._connection.sessions.ssh is first


def test_nobody_else_gets_it(url, used):
    used()
    with closing(open_storage(url)) as storage:
        address = storage._connection.sessions.address
        for changed in ({"user": "other"}, {"password": "x"}, {"key_file": "x"}, {"known_hosts": "x"}, {"port": 1}):
            assert kept.take(address._replace(**changed)) is None
        assert kept.take(address) is not None


def test_it_is_closed_where_nobody_comes(used, monkeypatch):
    monkeypatch.setattr(kept, "KEPT_SECONDS", 0.05)
    ssh = used()
    end = time.monotonic() + 10
    while is_open(ssh):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert used() is not ssh


def test_of_two_one_is_kept(url, used):
    with closing(open_storage(url)) as storage, closing(open_storage(url)) as other:
        storage.probe()
        other.probe()
        both = storage._connection.sessions.ssh, other._connection.sessions.ssh
    assert [is_open(ssh) for ssh in both].count(True) == 1


def test_one_that_is_lost_is_not_kept(url, used):
    with closing(open_storage(url)) as storage:
        storage.probe()
        storage._connection.sessions.ssh.get_transport().close()
        with pytest.raises(errors.Unreachable):
            storage.probe()
    assert kept.take(storage._connection.sessions.address) is None
    assert is_open(used())


def test_one_that_dies_while_it_is_kept_costs_a_login(used, monkeypatch):
    first = used()
    first.get_transport().close()
    second = used()
    assert is_open(second) and second is not first
    monkeypatch.setattr(kept, "_is_alive", lambda ssh: True)  # it dies after that was looked at
    second.get_transport().close()
    third = used()
    assert third not in (first, second)


def test_one_whose_server_did_not_answer_in_time_is_not_kept(url):
    def wait():
        raise TimeoutError

    with closing(open_storage(url)) as storage:
        storage.probe()
        connection = storage._connection
        with pytest.raises(errors.Unreachable):
            connection.sessions.do(connection.sessions.first, wait)
    assert kept.take(connection.sessions.address) is None
