"""A listing that began before it was asked for is the one that is asked for, or is made anew, or ends with an error."""

import os
import socket
import threading
from contextlib import closing

import pytest

from storage_backends.errors import NotFound, RootChanged, StorageError
from storage_backends.local.storage import LocalStorage
from tests.unit.scan.test_listing import entries
from transfers.engine.prefetch import Memory, Prefetcher
from transfers.scan import lister
from transfers.scan.lister import Request
from transfers.scan.listing import Lister

GUESS = Request(b"root", "", ())


@pytest.fixture
def root(tmp_path):
    for path in ("a-", "a/x", "a/y/z", "b/x.tmp", "c"):
        file = tmp_path / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path / "root"


@pytest.fixture
def storage(root):
    with closing(LocalStorage(os.fsencode(root.parent), b"root")) as found:
        yield found


@pytest.fixture
def begun(root, monkeypatch):
    """`begun(guess)`: a lister that has already listed all it was to guess."""
    threads, is_through, listing = [], threading.Event(), lister._all_answers

    def all_answers(url, request):
        for answer in listing(url, request):
            if isinstance(answer, StorageError):
                is_through.set()
            yield answer
        is_through.set()

    def begin(guess=GUESS, *, waits=True, prefetcher=None):
        ours, theirs = socket.socketpair()

        def serve(connection):
            lister.serve_ahead(connection, root.parent.as_uri(), guess, prefetcher=prefetcher)

        threads.append(threading.Thread(target=lister.main, args=(theirs.detach(), serve)))
        threads[-1].start()
        assert not waits or is_through.wait(10)
        return Lister(ours)

    monkeypatch.setattr(lister, "_all_answers", all_answers)
    monkeypatch.setattr(lister.gc, "disable", lambda: None)  # here it is a thread of the tests' process
    yield begin
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "it waits though nobody can ask any more"


def test_what_was_guessed_is_told_as_it_was_when_it_was_listed(begun, storage, root):
    before = entries(storage.list_chunks())
    with begun() as process:
        (root / "later").touch()
        assert entries(process.list_chunks(GUESS, storage.location())) == before


def test_nobody_waits_for_a_file_that_is_read_ahead(begun, storage):
    """It may hang for minutes, as a request to a service does that does not answer."""
    begins, ends, was_waited_for = threading.Event(), threading.Event(), []

    class Hanging(Prefetcher):
        def read(self, *_):
            begins.set()
            was_waited_for.append(not ends.wait(5))

    with closing(Memory.new()) as memory, begun(prefetcher=Hanging(memory)) as process:
        assert begins.wait(10)
        assert entries(process.list_chunks(GUESS, storage.location())) == entries(storage.list_chunks())
        assert not was_waited_for
        ends.set()


@pytest.mark.parametrize(
    "request_", [GUESS._replace(exclude="*.tmp\na/"), GUESS._replace(path=b""), GUESS._replace(path=b"root/a")]
)
def test_what_was_not_guessed_is_listed_anew(begun, storage, root, request_):
    (root / "b/other").touch()
    with closing(LocalStorage(os.fsencode(root.parent), request_.path)) as asked, begun() as process:
        (root / "a/later").touch()
        found = entries(process.list_chunks(request_, asked.location()))
    prune = b"a/".__eq__ if request_.exclude else None
    assert found == entries(asked.list_chunks(prune=prune))


def test_a_directory_of_the_other_side_that_was_there_must_have_been_stopped_at(begun, storage, root):
    inside = LocalStorage(os.fsencode(root / "a")).location()[:1]
    elsewhere = LocalStorage(os.fsencode(root / "b")).location()[:1]
    with begun(GUESS._replace(stop_at=elsewhere)) as process:
        found = entries(process.list_chunks(GUESS._replace(stop_at=inside), storage.location()))
    assert found == entries(storage.list_chunks(stop_at=inside)) != entries(storage.list_chunks())


def test_one_that_was_made_since_was_not_in_what_was_listed(root):
    asked = GUESS._replace(stop_at=("1:2",))
    assert asked.is_answered_by(GUESS) and asked.is_answered_by(asked)
    assert not GUESS.is_answered_by(asked) and not asked.is_answered_by(GUESS._replace(stop_at=("1:3",)))
    made, missing = (lister.guess(b"", [(root.as_uri(), other)]) for other in (b"a", b"missing"))
    assert len(made.stop_at) == 1 and missing.stop_at == ()


def test_an_other_side_that_cannot_be_looked_at_answers_nothing(root):
    (root / "link").symlink_to("a")
    guess = lister.guess(b"", [(root.as_uri(), b"link")])
    assert not any(GUESS._replace(path=b"", stop_at=stop_at).is_answered_by(guess) for stop_at in ((), ("1:2",)))


def test_a_directory_that_was_put_in_its_place_since_is_not_taken_for_it(begun, storage, root):
    with begun() as process:
        root.rename(root.with_name("moved"))
        root.mkdir()
        with closing(LocalStorage(os.fsencode(root.parent), b"root")) as new, pytest.raises(RootChanged):
            list(process.list_chunks(GUESS, new.location()))


def test_what_went_wrong_as_a_whole_is_raised_by_who_asks(begun, storage):
    missing = Request(b"missing", "", ())
    with begun(missing) as process, pytest.raises(NotFound):
        list(process.list_chunks(missing, storage.location()))


def test_what_could_not_be_listed_before_is_listed_when_it_is_asked_for(begun, storage, root):
    """A scan makes the sink's directory."""
    later = Request(b"root/later", "", ())
    with begun(later) as process:
        (root / "later").mkdir()
        (root / "later/f").touch()
        with closing(LocalStorage(os.fsencode(root.parent), later.path)) as made:
            assert [entry[0] for entry in entries(process.list_chunks(later, made.location()))] == [b"f"]


def test_it_keeps_so_much_and_no_more_and_loses_nothing(begun, storage, root, monkeypatch):
    monkeypatch.setattr(lister, "AHEAD_BYTES", 1)
    monkeypatch.setattr(lister, "LISTED_AT_ONCE", 2)
    with begun(waits=False) as process:
        assert entries(process.list_chunks(GUESS, storage.location())) == entries(storage.list_chunks())


def test_it_ends_when_nobody_asks(begun):
    with begun():
        pass
