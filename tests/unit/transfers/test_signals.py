"""The flag that SIGTERM sets."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from transfers.signals import StopFlag


@pytest.fixture
def flag():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield StopFlag()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_waiting_ends_at_the_signal(flag):
    assert not flag.wait(0)
    os.kill(os.getpid(), signal.SIGTERM)
    begun = time.monotonic()
    assert flag.wait(10) and flag.is_set() and flag.signal == signal.SIGTERM
    assert time.monotonic() - begun < 1


def test_a_signal_at_any_moment_of_a_wait_is_heard():
    """With a threading.Event one in some hundreds hung for ever: its handler waited for a lock the wait was holding."""
    code = "from transfers.signals import StopFlag\nf = StopFlag()\nprint(flush=True)\nwhile not f.wait(0): pass"
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        process.terminate()
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_it_can_be_woken_from_another_thread_once_for_each_time(flag):
    begun = time.monotonic()
    threading.Timer(0.1, flag.wake).start()
    assert not flag.wait(10) and 0.05 < time.monotonic() - begun < 5
    begun = time.monotonic()
    assert not flag.wait(0.2) and time.monotonic() - begun > 0.15


def test_a_wake_before_the_wait_ends_it_and_many_are_as_one(flag):
    for _ in range(100_000):
        flag.wake()
    begun = time.monotonic()
    assert not flag.wait(10) and not flag.wait(0.2) and 0.15 < time.monotonic() - begun < 5
    os.kill(os.getpid(), signal.SIGTERM)
    assert flag.wait(10)
