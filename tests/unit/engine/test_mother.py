"""Who forks workers: they are as those that are executed (test_worker.py), and so is every way to die."""

import os
import select
import signal
from pathlib import Path

import pytest

from tests.support.mothers import a_mother
from transfers.engine.contracts import Assignment, Place, Verify
from transfers.engine.messages import Finished
from transfers.engine.pool import WorkerDied, WorkerProcess

PLACE = Place("file:///", b"")


@pytest.fixture
def mother():
    with a_mother() as made:
        yield made


def is_answered(worker, number=1):
    worker.assign(Assignment(number, "job", "0badcafe", PLACE, PLACE, Verify.READBACK, ()))
    return worker.receive() == Finished(number)


def sockets_of(pid):
    return sum(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{pid}/fd"))


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_workers_are_her_children_in_groups_of_their_own_and_hold_nothing_of_hers(mother):
    with WorkerProcess(mother.start) as first, WorkerProcess(mother.start) as second:
        assert is_answered(first) and is_answered(second)
        assert parent_of(first.pid) == parent_of(second.pid) == mother._pid
        assert os.getpgid(first.pid) == first.pid
        assert sockets_of(first.pid) == sockets_of(second.pid) == 1


def test_her_workers_have_loaded_what_their_storages_need_and_what_can_not_be_loaded_does_no_harm():
    with a_mother("sftp://nobody@localhost/", "nonsense") as mother, WorkerProcess(mother.start) as worker:
        assert is_answered(worker)
        assert "cryptography" in Path(f"/proc/{worker.pid}/maps").read_text()
    with a_mother() as mother, WorkerProcess(mother.start) as worker:
        assert is_answered(worker)
        assert "cryptography" not in Path(f"/proc/{worker.pid}/maps").read_text()


def test_an_exit_code_comes_through_her(mother):
    with WorkerProcess(mother.start) as worker:
        assert is_answered(worker)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied) as died:
            worker.receive()
        assert died.value.exit_code == -signal.SIGKILL


def test_a_worker_dies_with_her_and_the_next_one_is_executed(mother):
    with WorkerProcess(mother.start) as worker:
        assert is_answered(worker)
        os.kill(mother._pid, signal.SIGKILL)
        assert select.select([worker], [], [], 10)[0]
        with pytest.raises(WorkerDied):
            worker.receive()
    with WorkerProcess(mother.start) as second:
        assert is_answered(second) and parent_of(second.pid) == os.getpid()


def test_she_ends_when_nobody_gives_orders_any_more():
    with a_mother() as mother:
        pidfd = os.pidfd_open(mother._pid)
    assert select.select([pidfd], [], [], 0)[0]
    os.close(pidfd)


def test_without_her_kind_of_handle_a_worker_is_executed(mother, monkeypatch):
    """A kernel before 5.3 has none. Two workers at one socket would take each other's messages."""
    monkeypatch.setattr(os, "pidfd_open", lambda pid: os.stat("/nonexistent"))
    with WorkerProcess(mother.start) as worker:
        assert is_answered(worker) and parent_of(worker.pid) == os.getpid()
        with open(f"/proc/{mother._pid}/task/{mother._pid}/children") as children:
            assert children.read() == ""
