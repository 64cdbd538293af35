"""A listing made by another process is the one this process would make, or an error: never a shorter one."""

import os
import pickle
import signal
from contextlib import ExitStack

import pytest

from storage_backends import errors
from storage_backends.base import ListError
from storage_backends.errors import NotFound, Overlap, RootChanged, StorageError
from storage_backends.local.storage import LocalStorage
from transfers.scan import listing
from transfers.scan.lister import Request
from transfers.scan.listing import Lister

EVERYTHING = Request(b"", "", ())


@pytest.fixture
def storage(tmp_path):
    for path in ("a-", "a/x", "a/y/z", "a/y0", "b/\udcff", "c"):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(path.encode(errors="replace").decode())
    (tmp_path / "link").symlink_to("c")
    os.mkfifo(tmp_path / "fifo")
    with ExitStack() as stack:
        found = LocalStorage(os.fsencode(tmp_path))
        stack.callback(found.close)
        yield found


@pytest.fixture
def lister(tmp_path):
    with Lister.start(tmp_path.as_uri()) as process:
        yield process


def entries(chunks) -> list:
    """What is listed, errors by their kind and text."""
    return [
        (entry.path, type(entry.error), str(entry.error)) if isinstance(entry, ListError) else tuple(entry[:5])
        for chunk in chunks
        for entry in chunk
    ]


def test_it_lists_what_this_process_would(storage, lister):
    found = entries(lister.list_chunks(EVERYTHING, storage.location()))
    assert found == entries(storage.list_chunks()) and len(found) == 11


def test_what_is_excluded_is_not_listed(storage, lister):
    found = entries(lister.list_chunks(Request(b"", "a/", ()), storage.location()))
    assert found == entries(storage.list_chunks(prune=b"a/".__eq__)) and len(found) == 6


def test_a_directory_that_cannot_be_listed_is_told_between_its_neighbours(storage, lister, tmp_path):
    inside = LocalStorage(os.fsencode(tmp_path / "a")).location()[:1]
    found = entries(lister.list_chunks(Request(b"", "", inside), storage.location()))
    assert found == entries(storage.list_chunks(stop_at=inside))
    assert [entry[:2] for entry in found if entry[1] is Overlap] == [(b"a/", Overlap)]


def test_a_listing_below_the_root(storage, lister, tmp_path):
    below = LocalStorage(os.fsencode(tmp_path), b"a")
    assert entries(lister.list_chunks(Request(b"a", "", ()), below.location())) == entries(below.list_chunks())


def test_another_directory_under_the_same_name_is_not_listed(storage, lister, tmp_path):
    before = LocalStorage(os.fsencode(tmp_path), b"a").location()
    (tmp_path / "a").rename(tmp_path / "moved")
    (tmp_path / "a").mkdir()
    with pytest.raises(RootChanged, match="another directory"):
        list(lister.list_chunks(Request(b"a", "", ()), before))


def test_what_goes_wrong_as_a_whole_is_raised_here(storage, lister):
    with pytest.raises(NotFound):
        list(lister.list_chunks(Request(b"missing", "", ()), storage.location()))


def test_a_process_that_dies_half_way_is_an_error_and_not_the_end_of_the_listing(storage, lister, tmp_path):
    for number in range(3000):  # more than the socket holds
        (tmp_path / f"{number:0200}").touch()
    for number in range(3000):
        (tmp_path / "b" / f"{number:0200}").touch()
    chunks = lister.list_chunks(EVERYTHING, storage.location())
    next(chunks)
    os.kill(lister.pid, signal.SIGKILL)
    with pytest.raises(StorageError, match="died"):
        list(chunks)


def test_leaving_it_ends_the_process_whatever_it_does(storage, tmp_path):
    with Lister.start(tmp_path.as_uri()) as lister:
        assert os.kill(lister.pid, 0) is None
    with pytest.raises(ProcessLookupError):
        os.kill(lister.pid, 0)


@pytest.mark.parametrize("name", sorted(name for name, each in vars(errors).items() if isinstance(each, type)))
def test_every_error_comes_through_a_socket_as_it_was(name):
    error = getattr(errors, name)("what happened", retry_after_seconds=5)
    came = pickle.loads(pickle.dumps(error))
    assert (type(came), str(came), vars(came)) == (type(error), str(error), vars(error))


def test_only_a_large_tree_is_worth_processes(monkeypatch, storage):
    sides = {"source": storage, "sink": storage}
    for files, is_worth_it in ((listing.LARGE_FILES - 1, False), (listing.LARGE_FILES, True)):
        monkeypatch.setattr(listing, "count_files", lambda job, files=files: files)
        assert bool(listing.worth_a_process(None, sides)) is is_worth_it


def test_one_processor_lists_by_itself(monkeypatch, storage):
    monkeypatch.setattr(listing, "count_files", lambda job: 1_000_000)
    assert listing.worth_a_process(None, {"sink": storage}) == ["sink"]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert listing.worth_a_process(None, {"sink": storage}) == []


def test_a_storage_that_only_this_process_has_is_listed_here(monkeypatch, storage):
    monkeypatch.setattr(listing, "count_files", lambda job: 1_000_000)
    elsewhere = type("", (), {"capabilities": storage.capabilities._replace(is_listed_by_processor=False)})
    assert listing.worth_a_process(None, {"source": elsewhere, "sink": storage}) == ["sink"]
