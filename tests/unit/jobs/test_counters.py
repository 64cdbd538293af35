"""Totals are sums of delta rows; folding them changes no sum."""

import pytest
from django.db import transaction

from jobs import counters
from jobs.models import Counter
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def add(job, **deltas):
    tally = counters.Tally()
    for name, delta in deltas.items():
        tally.add(job.pk, name, delta)
    tally.write()


def test_totals_are_sums_by_name_and_job(job):
    other = builders.new_job()
    add(job, copied=2, adopted=1)
    add(job, copied=3)
    add(other, copied=7)
    assert counters.totals(job.pk) == {"copied": 5, "adopted": 1}
    assert counters.totals_of([job.pk, other.pk]) == {
        str(job.pk): {"copied": 5, "adopted": 1},
        str(other.pk): {"copied": 7},
    }


def test_a_page_of_jobs_takes_one_query_and_names_jobs_without_totals(job, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert counters.totals_of([job.pk]) == {str(job.pk): {}}


def test_what_cancels_out_is_not_written(job):
    tally = counters.Tally()
    tally.move(job.pk, "file", 5, "pending", "pending")
    tally.write()
    assert not Counter.objects.exists()


def test_a_move_takes_away_where_it_came_from_and_adds_where_it_goes(job):
    tally = counters.Tally()
    tally.move(job.pk, "file", 5, "in_progress", "completed", 7)
    tally.write()
    assert counters.totals(job.pk) == {
        "file.in_progress": -1,
        "file.in_progress.bytes": -5,
        "file.completed": 1,
        "file.completed.bytes": 7,
    }


def test_only_busy_jobs_are_folded_and_keep_their_totals(job, monkeypatch):
    monkeypatch.setattr(counters, "FOLD_ROWS", 10)
    quiet = builders.new_job()
    for _ in range(11):
        add(job, copied=1, adopted=2)
    add(quiet, copied=1)
    assert counters.fold() == 1
    assert counters.totals(job.pk) == {"copied": 11, "adopted": 22}
    assert Counter.objects.filter(job=job).count() == 2
    assert counters.fold() == 0


def test_a_total_that_became_zero_leaves_no_row(job):
    add(job, copied=4)
    add(job, copied=-4)
    counters._fold_job(job.pk)
    assert not Counter.objects.exists()


def test_a_total_is_undone_with_the_transaction_it_belongs_to(job):
    with pytest.raises(RuntimeError), transaction.atomic():
        add(job, copied=1)
        raise RuntimeError
    assert counters.totals(job.pk) == {}
