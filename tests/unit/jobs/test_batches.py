"""Waiting tasks are cut into batches in their order, nothing lost, none too large."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.batches import (
    BATCH_BYTES,
    BATCH_FILES,
    BIG_FILE_BYTES,
    FILES_BY_ATTEMPTS,
    LIGHT_BYTES,
    MOST_BATCH_FILES,
    Share,
    Waiting,
    cut,
    most_bytes,
    next_batch,
    share,
)

SIZES = st.one_of(st.integers(0, 100), st.integers(0, 2 * BIG_FILE_BYTES), st.integers(0, 1 << 45))


@st.composite
def waiting(draw):
    sizes = draw(st.lists(SIZES, max_size=60))
    return [Waiting(number, size, draw(st.integers(0, 9))) for number, size in enumerate(sizes, 1)]


@given(waiting(), st.integers(1, 30))
def test_every_task_is_in_exactly_one_batch_and_the_order_is_kept(tasks, most):
    assert [id for batch in cut(tasks, most=most) for id in batch] == [task.id for task in tasks]


@given(waiting(), st.integers(1, 30))
def test_no_batch_is_empty_or_has_more_than_the_most_files_or_bytes(tasks, most):
    by_id = {task.id: task for task in tasks}
    for batch in cut(tasks, most=most):
        size = sum(by_id[id].size for id in batch)
        assert 1 <= len(batch) <= most
        assert size <= BATCH_BYTES or len(batch) == 1


@given(waiting())
def test_a_big_file_is_alone(tasks):
    big = {task.id for task in tasks if task.size >= BIG_FILE_BYTES}
    assert all(len(batch) == 1 or not big & set(batch) for batch in cut(tasks))


@given(waiting())
def test_the_more_attempts_a_file_took_the_fewer_travel_with_it(tasks):
    allowed = {task.id: FILES_BY_ATTEMPTS[min(task.attempts, 3)] for task in tasks}
    assert all(len(batch) <= min(allowed[id] for id in batch) for batch in cut(tasks))


def lengths(tasks) -> list[int]:
    return [len(batch) for batch in cut(tasks)]


def test_small_files_travel_by_a_thousand():
    assert lengths(Waiting(number, 1000, 0) for number in range(1, 2202)) == [BATCH_FILES, BATCH_FILES, 201]


def test_a_batch_ends_before_256_mebibytes():
    assert lengths(Waiting(number, 10 << 20, 0) for number in range(1, 31)) == [25, 5]


def test_batches_of_files_that_failed_before_shrink_to_one():
    for attempts, expected in ((0, [120]), (1, [50, 50, 20]), (2, [5] * 24), (3, [1] * 120), (9, [1] * 120)):
        assert lengths(Waiting(number, 1, attempts) for number in range(1, 121)) == expected


def test_nothing_waiting_is_no_batch():
    assert list(cut([])) == []


def test_a_batch_of_a_job_with_a_rate_is_what_it_may_send_in_a_second():
    assert most_bytes(None) == BATCH_BYTES == most_bytes(1 << 40) and most_bytes(1024) == 64 << 10
    files = [Waiting(number, 100_000, 0) for number in range(1, 31)]
    assert [len(batch) for batch in cut(files, most_bytes=most_bytes(1_000_000))] == [10, 10, 10]


class Row(NamedTuple):
    id: int
    size: int
    attempts: int
    path: bytes


def rows(*folders):
    """One small file for each of these."""
    return [Row(number, 100, 0, b"%s/%d" % (folder, number)) for number, folder in enumerate(folders)]


@pytest.mark.parametrize(
    ("folders", "count"),
    [
        ([b"a"] * 700 + [b"b"] * 200 + [b"c"] * 300, 900),
        ([b"a"] * 700 + [b"b"] * 300 + [b"c"] * 200, 1000),
        ([b"a"] * 400 + [b"b"] * 800, 1000),
        ([b"a"] * 1200, 1000),
        ([b"a"] * 700 + [b"a/b"] * 400, 700),
        ([b"a"] * 600 + [b"b"] * 400, 1000),
    ],
)
def test_a_batch_ends_with_a_directory_where_that_leaves_more_than_half_of_it(folders, count):
    assert next_batch(rows(*folders), Share(1000, 500), most_bytes=BATCH_BYTES) == list(range(count))


@given(st.integers(0, 10**7), st.integers(1, 500))
def test_a_share_leaves_as_much_again_for_every_worker_unless_it_is_light(waiting, workers):
    fair, light = share(waiting, workers=workers, lead=0)
    assert 1 <= fair <= MOST_BATCH_FILES
    assert fair == 1 or (fair - 1) * 2 * workers < waiting
    assert light == 500 or (light <= 4000 and (light - 1) * workers < waiting)


@pytest.mark.parametrize(("size", "count"), [(4096, 4000), (LIGHT_BYTES // 3000, 3000), (LIGHT_BYTES // 1000, 2000)])
def test_few_bytes_are_taken_at_once_and_many_by_halves(size, count):
    files = [row._replace(size=size) for row in rows(*[b"a"] * 4001)]
    assert len(next_batch(files, share(8000, workers=2, lead=0), most_bytes=BATCH_BYTES)) == count


def test_who_is_free_before_the_others_takes_so_much_more_that_all_end_together():
    assert share(2000, workers=2, lead=0).light == 1000
    assert share(2000, workers=2, lead=600).light == 1600
    assert share(2000, workers=2, lead=600).fair == 800
