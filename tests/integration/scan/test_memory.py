"""A scan's memory is bounded by its largest directory and its batches, not by the tree."""

import tracemalloc

import pytest

#: No directory has more entries than this, however many files there are.
WIDEST = 20


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr("transfers.scan.run.BATCH_PATHS", 50)
    monkeypatch.setattr("jobs.pages.PAGE_ROWS", 100)


def grow(tree, name: str, directories: int) -> None:
    for number in range(directories):
        directory = tree.source / name / str(number // WIDEST) / str(number % WIDEST)
        directory.mkdir(parents=True)
        for file in range(WIDEST):
            (directory / str(file)).touch()


def peak_of(action) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


#: For what the interpreter keeps for later (its method cache); one small object per file would be more.
SLACK_BYTES = 300_000


def test_ten_times_the_files_take_no_more_memory(tree):
    grow(tree, "small", 20)
    tree.scan()  # whatever is made once and kept
    small = peak_of(tree.scan)
    grow(tree, "large", 200)
    assert peak_of(tree.scan) < small + SLACK_BYTES, "4,000 new files"
    assert peak_of(tree.scan) < small + SLACK_BYTES, "4,000 known files"
