"""A question whose SQL was made once finds what is there each time it is asked."""

import pytest
from django.db.models.functions import Now

from jobs import claimable
from jobs.compiled import Compiled, which_find
from jobs.models import Job, Slave
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def test_it_is_asked_anew_each_time(django_assert_num_queries):
    question = Compiled(Job.objects.filter(name__in=["x", "50 % é"], created_at__lte=Now()).order_by("name"))
    assert question.rows() == []
    for name in ("x", "50 % é", "y"):
        builders.new_job(name=name)
    with django_assert_num_queries(1):
        found = question.rows()
    assert [job.name for job in found] == ["50 % é", "x"] and found[0].status == "running"


def test_what_can_find_nothing_is_not_asked(django_assert_num_queries):
    question = Compiled(Job.objects.filter(name__in=[]))
    with django_assert_num_queries(0):
        assert question.rows() == []


def test_several_are_asked_in_one_statement(django_assert_num_queries):
    named = [Job.objects.filter(name__in=names, created_at__lte=Now()) for names in (["50 % é"], ["y"], [], ["x", "z"])]
    questions = [Compiled(jobs.order_by("name")[:2]) for jobs in named]
    for name in ("x", "50 % é"):
        builders.new_job(name=name)
    with django_assert_num_queries(1):
        assert which_find(*questions) == [True, False, False, True]


def test_jobs_with_work_are_those_that_this_slave_serves(job):
    slave, elsewhere = builders.new_slave(), [Slave(machine_id="", aliases=aliases) for aliases in ([], ["elsewhere"])]
    for path, look in ((b"d/", claimable.jobs_with_directories), (b"d/a", claimable.jobs_with_work)):
        builders.put(job, "pending", path)
        assert look(slave) == [job] and not any(map(look, elsewhere))
    Job.objects.update(machine_id="another")
    assert claimable.jobs_with_work(slave) == claimable.jobs_with_directories(slave) == []
