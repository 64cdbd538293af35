"""What a process tells of a comparison that it has begun, and how that ends."""

import socket
import threading
from contextlib import closing
from itertools import count, repeat
from multiprocessing.connection import Connection

import pytest

from jobs import sql
from jobs.errors import Refusal
from jobs.models import Job
from storage_backends.errors import NotFound, StorageError
from tests.unit.scan.looks import at
from transfers.scan import comparer, lister
from transfers.scan.comparer import Catalogue, Failed, Request
from transfers.scan.comparison import Comparison
from transfers.scan.merge import Merge, OutOfOrder

ASKED = {"source": lister.Request(b"in", "", ("1:2",)), "sink": lister.Request(b"out", "", ("1:1",))}
LOCATIONS = {"source": ("host", "/in"), "sink": ("host", "/out")}


@pytest.fixture
def told(monkeypatch):
    """`told(*messages)`: a comparison of which a process tells this, once it is asked; then it dies."""
    monkeypatch.setattr(sql, "schema", lambda: 5)
    threads = []

    def tell(*messages) -> closing[Comparison]:
        ours, theirs = socket.socketpair()

        def answer():
            with Connection(theirs.detach()) as connection:
                requests.append(connection.recv())
                for message in messages:
                    connection.send(message)

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        job = Job()
        comparison = Comparison(job, ours)
        comparison.job = job
        return closing(comparison)

    requests = tell.requests = []
    yield tell
    for thread in threads:
        thread.join(10)


def test_it_is_asked_for_these_directories_and_the_rows_of_this_job(told):
    with told(tuple(LOCATIONS.values())) as comparison:
        assert comparison.is_of(ASKED, LOCATIONS)
        assert told.requests == [Request(ASKED["source"], ASKED["sink"], Catalogue(comparison.job.pk.hex, 5))]


@pytest.mark.parametrize("messages", [[], [None], [Failed("source", NotFound())]], ids=["death", "no", "an error"])
def test_who_had_nothing_to_tell_is_not_needed(told, messages):
    with told(*messages) as comparison:
        assert not comparison.is_of(ASKED, LOCATIONS)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_what_lies_elsewhere_by_now_ends_the_scan(told, side):
    found = LOCATIONS | {side: ("host", "/elsewhere")}
    with told(tuple(found.values())) as comparison, pytest.raises(Refusal) as refusal:
        comparison.is_of(ASKED, LOCATIONS)
    assert refusal.value.code == f"{side.upper()}_ROOT_CHANGED"


@pytest.mark.parametrize(
    ("end", "kind", "words"),
    [
        (Failed("sink", NotFound("it is gone")), Refusal, "Sink: it is gone."),
        (Failed("", OutOfOrder("b before a")), OutOfOrder, "b before a"),
        (Failed("", StorageError("no rows")), StorageError, "no rows"),
    ],
)
def test_an_error_half_way_is_the_scan_s(told, end, kind, words):
    with told(tuple(LOCATIONS.values()), (3, 30, []), end) as comparison:
        assert comparison.is_of(ASKED, LOCATIONS)
        with pytest.raises(kind, match=words):
            list(comparison.joined(lambda side, error: None))
    assert (comparison.passed_files, comparison.passed_bytes) == (3, 30)


def test_nothing_but_the_last_message_is_an_end(told):
    with told(tuple(LOCATIONS.values()), (3, 30, [])) as comparison:
        assert comparison.is_of(ASKED, LOCATIONS)
        with pytest.raises(StorageError, match="died"):
            list(comparison.joined(lambda side, error: None))


@pytest.mark.parametrize(("seconds", "messages"), [(0, 1), (1, 4)])
def test_on_a_slow_disk_it_is_told_sooner_that_little_was_found(monkeypatch, seconds, messages):
    """A scan looks only then whether it is to stop."""
    clock = count(step=seconds) if seconds else repeat(0)
    monkeypatch.setattr(comparer, "monotonic", lambda: next(clock))
    streams = ([[at(path)] for path in (b"a", b"b", b"c")], [], [])
    merge = Merge(*map(iter, streams), passes_over=True)
    told = list(comparer._told(merge, []))
    assert [entry.path for message in told for entry, _, _ in message.rest] == [b"a", b"b", b"c"]
    assert len(told) == messages
