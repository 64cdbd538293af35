"""One page of memory between a slave and its worker."""

import os
import time

import pytest

from transfers.engine.contracts import LeaseLost, Stop
from transfers.engine.control import ControlPage, PageControl, boottime


@pytest.fixture
def page():
    made = ControlPage()
    yield made
    made.close()


def test_what_the_parent_writes_the_worker_reads(page):
    theirs = ControlPage(os.dup(page.fd))
    page.lease_deadline, page.bytes_per_second = 1234.5, 1 << 40
    page.set_stop(1 << 40, Stop.CANCEL)
    assert (theirs.lease_deadline, theirs.bytes_per_second) == (1234.5, 1 << 40)
    assert theirs.stop_of(1 << 40) is Stop.CANCEL
    theirs.close()


def test_nothing_may_be_written_before_a_deadline_is_set(page):
    with pytest.raises(LeaseLost):
        PageControl(page, 1).stop()


def test_past_the_deadline_the_lease_is_lost(page):
    control = PageControl(page, 1)
    page.lease_deadline = boottime() + 60
    assert control.stop() is Stop.NONE
    page.lease_deadline = boottime() - 0.001
    with pytest.raises(LeaseLost):
        control.stop()


def test_a_stop_hits_only_its_assignment(page):
    page.lease_deadline = boottime() + 60
    page.set_stop(7, Stop.RELEASE)
    assert [PageControl(page, number).stop() for number in (6, 7, 8)] == [Stop.NONE, Stop.RELEASE, Stop.NONE]


def test_a_lease_that_runs_out_ends_the_wait_for_the_rate(page):
    page.lease_deadline, page.bytes_per_second = boottime() + 0.05, 1
    with pytest.raises(LeaseLost):
        PageControl(page, 1).throttle(1_000_000)


def test_without_a_rate_nothing_waits_and_no_debt_is_left(page):
    control = PageControl(page, 1)
    page.lease_deadline = boottime() + 60
    for rate in (1_000_000, 0, 1_000_000):
        page.bytes_per_second = rate
        control.throttle(1_000 if rate else 1 << 40)


def test_a_look_costs_about_a_microsecond(page):
    page.lease_deadline = boottime() + 60
    control = PageControl(page, 1)
    start = time.perf_counter()
    for _ in range(10_000):
        control.stop()
    assert (time.perf_counter() - start) / 10_000 < 50e-6  # generous: the machine may be busy


def test_closing_twice_is_harmless():
    page = ControlPage()
    page.close()
    page.close()
