"""One leads; another takes over when the lease ran out, was let go, or its process is known to be gone."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs import leases, selectors
from jobs.machine import process_identity
from jobs.models import Lease

pytestmark = pytest.mark.django_db


def make_old():
    Lease.objects.update(expires_at=Now() - timedelta(seconds=1))


def test_the_first_becomes_the_leader_and_stays_it():
    assert leases.acquire("scheduler", "a") and leases.acquire("scheduler", "a")
    assert selectors.leader().holder == "a" and selectors.leader().epoch == 1


def test_another_waits_while_the_lease_is_fresh():
    leases.acquire("scheduler", "a")
    assert not leases.acquire("scheduler", "b")
    assert selectors.leader().holder == "a"


def test_another_takes_over_what_ran_out_at_a_new_epoch():
    leases.acquire("scheduler", "a")
    make_old()
    assert selectors.leader() is None
    assert leases.acquire("scheduler", "b")
    assert not leases.acquire("scheduler", "a")
    assert (selectors.leader().holder, selectors.leader().epoch) == ("b", 2)


def test_a_leader_that_was_late_but_not_replaced_goes_on():
    leases.acquire("scheduler", "a")
    make_old()
    assert leases.acquire("scheduler", "a") and selectors.leader().epoch == 1


def test_a_lease_that_was_let_go_is_free_at_once():
    leases.acquire("scheduler", "a")
    leases.release("scheduler", "b")
    assert not leases.acquire("scheduler", "b")
    leases.release("scheduler", "a")
    assert leases.acquire("scheduler", "b")


def test_the_lease_of_a_process_that_is_gone_from_this_machine_is_not_waited_for():
    namespace, pid, started = process_identity().split(":")
    leases.acquire("scheduler", f"{namespace}:{pid}:{int(started) - 1}")
    assert leases.acquire("scheduler", "b")


def test_leases_of_different_names_have_nothing_to_do_with_each_other():
    assert leases.acquire("scheduler", "a") and leases.acquire("other", "b")
