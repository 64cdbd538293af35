"""Incarnations: one live process per name, a lease in database time, and what becomes of those that are gone."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs import slaves, upkeep
from jobs.errors import Conflict
from jobs.machine import process_identity
from jobs.models import Slave, Task
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

ELSEWHERE = "another-machine/1:1:1"


def gone_from_here() -> str:
    """The identity of a process that had our pid before us."""
    namespace, pid, started = process_identity().split(":")
    return f"{namespace}:{pid}:{int(started) - 1}"


def expire(slave: Slave) -> None:
    Slave.objects.filter(pk=slave.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def state_of(slave: Slave) -> str:
    return Slave.objects.get(pk=slave.pk).state


def test_a_name_that_is_alive_elsewhere_is_refused_saying_where():
    builders.new_slave("slave-001", process=ELSEWHERE, host="far", pid=77)
    with pytest.raises(Conflict, match=r"slave-001 is alive on far \(pid 77") as refused:
        builders.new_slave("slave-001")
    assert refused.value.code == "SLAVE_IS_ALIVE" and Slave.objects.count() == 1


@pytest.mark.parametrize("process", [gone_from_here(), process_identity()], ids=["gone", "our own"])
def test_an_incarnation_that_is_known_to_be_over_is_replaced_at_once(process):
    old = builders.new_slave("slave-001", process=process)
    new = builders.new_slave("slave-001")
    assert (state_of(old), state_of(new)) == ("offline", "online")


def test_an_incarnation_whose_lease_ran_out_is_replaced():
    old = builders.new_slave("slave-001", process=ELSEWHERE)
    expire(old)
    builders.new_slave("slave-001")


def test_a_heartbeat_renews_the_lease(slave):
    Slave.objects.update(lease_expires_at=Now() + timedelta(seconds=1))
    assert slaves.heartbeat(slave, bytes_per_second=9)
    row = Slave.objects.get()
    assert row.lease_expires_at - row.heartbeat_at == timedelta(seconds=slaves.LEASE_SECONDS)
    assert row.bytes_per_second == 9


def test_a_heartbeat_after_the_lease_ran_out_or_was_taken_says_it_is_over(slave):
    expire(slave)
    assert not slaves.heartbeat(slave, bytes_per_second=0)
    assert not slaves.heartbeat(slave, bytes_per_second=0), "it stays over"
    other = builders.new_slave()
    Slave.objects.filter(pk=other.pk).update(state="offline")
    assert not slaves.heartbeat(other, bytes_per_second=0)


def test_a_dead_slave_is_marked_and_its_tasks_are_taken_back(job, slave):
    task = builders.claim_one(slave, job)
    expire(slave)
    assert slaves.reap_dead() == 1
    assert state_of(slave) == "offline"
    assert Task.objects.values_list("status", "epoch").get() == ("retrying", task.epoch + 1)
    assert slaves.reap_dead() == 0


def test_a_slave_that_lives_keeps_its_tasks(job, slave):
    builders.claim_one(slave, job)
    assert slaves.reap_dead() == 0
    assert (state_of(slave), Task.objects.get().owner) == ("online", slave)


def test_a_process_that_is_gone_from_this_machine_is_not_waited_for(job):
    slave = builders.new_slave(process=gone_from_here())
    builders.claim_one(slave, job)
    assert slaves.reap_dead() == 1


def test_a_slave_elsewhere_is_waited_for_until_its_lease_runs_out(job):
    slave = builders.new_slave(process=ELSEWHERE)
    builders.claim_one(slave, job)
    assert slaves.reap_dead() == 0
    expire(slave)
    assert slaves.reap_dead() == 1


def test_what_a_slave_still_owns_when_it_signs_off_is_free_at_once(job, slave):
    builders.claim_one(slave, job)
    slaves.sign_off(slave)
    assert slaves.reap_dead() == 1
    row = Slave.objects.get()
    assert row.state == "offline" and row.stopped_at


def test_draining_is_for_slaves_that_are_online(slave):
    slaves.set_draining(slave)
    assert state_of(slave) == "draining" and slaves.heartbeat(slave, bytes_per_second=0)
    slaves.sign_off(slave)
    slaves.set_draining(slave)
    assert state_of(slave) == "offline"


def test_incarnations_are_forgotten_after_a_month_unless_they_own_something(job):
    old, owning, fresh = builders.new_slave(), builders.new_slave(), builders.new_slave()
    builders.claim_one(owning, job)
    long_ago = {"state": "offline", "lease_expires_at": Now() - timedelta(days=31)}
    Slave.objects.filter(pk__in=[old.pk, owning.pk]).update(**long_ago)
    upkeep.tidy()
    assert set(Slave.objects.all()) == {owning, fresh}
