"""A process can be told to be gone only from where it ran; anything doubtful counts as alive."""

import os
import subprocess
import sys

import pytest

from jobs import machine
from jobs.machine import is_dead_here, machine_id, process_identity


def identity_of(pid: int) -> str:
    """As that process would have called itself."""
    namespace = process_identity().split(":")[0]
    return f"{namespace}:{pid}:{machine._started(pid)}"


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.stdin.close()
    process.wait()


def test_this_process_is_alive():
    assert not is_dead_here(process_identity())
    assert process_identity() == identity_of(os.getpid())


def test_a_living_child_is_alive_and_a_dead_one_is_dead(child):
    identity = identity_of(child.pid)
    assert not is_dead_here(identity)
    child.kill()
    child.wait()
    assert is_dead_here(identity)


def test_one_that_nobody_waited_for_is_dead(child):
    """In a container without an init such remains stay for ever, and with them its leases would."""
    identity = identity_of(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead_here(identity)


def test_a_pid_that_was_given_to_another_process_does_not_count_as_alive(child):
    namespace, pid, started = identity_of(child.pid).split(":")
    assert is_dead_here(f"{namespace}:{pid}:{int(started) - 1}")


@pytest.mark.parametrize("change", ["other machine", "other namespace"])
def test_nothing_is_known_of_a_process_elsewhere(child, change):
    whole, pid, started = identity_of(child.pid).split(":")
    here, namespace = whole.split("/")
    elsewhere = {"other machine": f"ffffffffffff/{namespace}", "other namespace": f"{here}/1"}[change]
    child.kill()
    child.wait()
    assert not is_dead_here(f"{elsewhere}:{pid}:{started}")


@pytest.mark.parametrize("identity", ["", ":", "/", "::", "a/b:c", "slave-001", "1234", "//::", "é/1:2:3"])
def test_what_is_no_identity_of_ours_is_not_dead(identity):
    assert not is_dead_here(identity)


def test_an_identity_fits_its_column():
    assert len(process_identity()) <= 64 and len(machine_id()) <= 64


def test_a_machine_stays_the_same():
    code = "from jobs.machine import machine_id; print(machine_id())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == machine_id()
