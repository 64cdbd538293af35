"""What lists and pages say of a job comes from its totals, never from counting tasks."""

import pytest

from jobs import selectors, transitions, uploads
from jobs.models import Task
from jobs.progress import overviews, task_percent
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def progress_of(job):
    return overviews([job.pk])[str(job.pk)].progress


def test_progress_counts_files_only(job, slave):
    done, _ = builders.claim_one(slave, job, b"a", size=30), builders.discover(job, b"b", size=70)
    transitions.settle(slave, [builders.ending(done, copied=30)])
    builders.discover(job, b"d/", size=0)
    progress = progress_of(job)
    assert (progress.files, progress.bytes_total, progress.bytes_done, progress.copied) == (2, 100, 30, 1)
    assert (progress.fraction, progress.percent) == (0.3, 30.0)


def test_what_is_under_way_counts_with_what_it_has_copied(job, slave):
    builders.claim_one(slave, job, b"a", size=100)
    Task.objects.update(copied_bytes=25)
    assert progress_of(job).percent == 25.0


@pytest.mark.parametrize("status", ["pending", "retrying"])
def test_what_goes_on_where_it_stopped_keeps_its_share(job, slave, status):
    """Paused, or waiting for another try."""
    task = builders.claim_one(slave, job, b"big", size=100)
    uploads.save_token(slave, (task.id, task.epoch), "token")
    uploads.save_checkpoint(slave, (task.id, task.epoch), 60, builders.DIGEST)
    transitions.settle(slave, [builders.ending(task, status)])
    assert overviews([job.pk])[str(job.pk)].progress.bytes_done == 60


def test_what_was_given_up_has_no_share(job, slave):
    task = builders.claim_one(slave, job, b"big", size=100)
    uploads.save_token(slave, (task.id, task.epoch), "token")
    uploads.save_checkpoint(slave, (task.id, task.epoch), 60, builders.DIGEST)
    transitions.settle(slave, [builders.ending(task, "failed")])
    assert overviews([job.pk])[str(job.pk)].progress.bytes_done == 0


def test_a_hundred_percent_means_done(job, slave):
    builders.claim_one(slave, job, b"a", size=1 << 40)
    Task.objects.update(copied_bytes=(1 << 40) - 1)
    assert progress_of(job).percent == 99.9
    assert task_percent(Task.objects.get()) == 99.9


def test_empty_files_count_by_number(job, slave):
    builders.discover(job, b"a", b"b", size=0)
    [task] = builders.claim(slave, job, limit=1)
    transitions.settle(slave, [builders.ending(task)])
    assert progress_of(job).percent == 50.0


def test_whatever_was_left_out_is_counted_links_and_special_files_too(job, slave):
    for kind in ("file", "symlink", "special"):
        builders.discover(job, kind.encode(), kind=kind, status="skipped", reason_code="SPECIAL_FILE")
    done = builders.claim_one(slave, job, b"b", size=1)
    transitions.settle(slave, [builders.ending(done, copied=1)])
    progress = progress_of(job)
    assert progress.by_status["skipped"] == 3
    assert (progress.files, progress.percent) == (1, 100.0)


def test_a_job_without_files_has_no_progress(job):
    assert progress_of(job).percent == 0.0


def test_a_page_of_jobs_takes_four_queries(job, django_assert_num_queries):
    jobs = [job.pk, *(builders.new_job().pk for _ in range(5))]
    with django_assert_num_queries(4):
        assert set(overviews(jobs)) == set(map(str, jobs))


def test_a_rate_is_shared_among_the_slaves_that_copy_for_the_job(job, slave):
    other = builders.new_slave()
    for path, owner in ((b"a", slave), (b"b", slave), (b"c", other)):
        builders.claim_one(owner, job, path)
    assert selectors.workers_of_jobs([job.pk]) == {str(job.pk): 2}
