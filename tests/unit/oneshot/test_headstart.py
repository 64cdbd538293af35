"""What is begun before Django is loaded, by a real process: it reads, holds nothing, and ends with its maker."""

import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection

import pytest

from storage_backends.base import Kind
from storage_backends.errors import ConfigurationError
from storage_backends.registry import open_storage
from transfers.engine import contracts
from transfers.engine.contracts import Assignment, Result, Verify, Work
from transfers.engine.control import boottime
from transfers.engine.messages import FenceAsked, Outcomes
from transfers.engine.pool import WorkerProcess
from transfers.oneshot.errands import Place, first_sync, later_sync
from transfers.oneshot.headstart import HeadStart
from transfers.scan import comparer, lister
from transfers.scan.lister import Request
from transfers.scan.listing import Lister

PROGRAM = """
import json, os, subprocess, sys
from pathlib import Path
from transfers.oneshot.errands import Place, first_sync
from transfers.oneshot.headstart import HeadStart
other = os.open(sys.argv[1], os.O_RDONLY)
os.set_inheritable(other, True)
places = [Place.of(Path(name)) if name[0] == "/" else Place(name, b"folder") for name in sys.argv[2:]]
start = HeadStart(first_sync(places, prefetch=None))
places = [[url, path.decode()] for url, path in start.ahead]
print(json.dumps([start._pid, places, "django" in sys.modules]), flush=True)
for order in map(str.strip, sys.stdin):
    if order == "share":  # so that nobody's socket is closed when this process dies
        fds = [each.fileno() for each in (start._orders, *start.ahead.values())]
        print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, pass_fds=fds).pid, flush=True)
    if order == "drop":
        start.drop()
    if order == "close":
        start.drop()
        start.mother().close()
        print("closed", flush=True)
"""


class Running:
    """The process that made it, and what was forked."""

    def __init__(self, process):
        self.process = process
        self.mother, self.listings, self.knows_django = json.loads(process.stdout.readline())

    def tell(self, order):
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def below(self):
        """The mother and her children."""
        return [self.mother, *children(self.mother)]


@contextmanager
def running(*places):
    """For directories, or `folder` in storages whose URLs are given. It has a file of the first one open."""
    command = [sys.executable, "-c", PROGRAM, str(places[0] / "open"), *map(str, places)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Running(process)
        process.kill()


@pytest.fixture
def trees(tmp_path):
    for name in ("source", "sink"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "open").touch()
    return tmp_path / "source", tmp_path / "sink"


def eventually(probe):
    end = time.monotonic() + 10
    while not (found := probe()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as found:
        return [int(child) for child in found.read().split()]


def is_waiting(pid):
    """For the answer of a socket, with no other thread at work."""
    if len(os.listdir(f"/proc/{pid}/task")) > 1:
        return False
    with open(f"/proc/{pid}/wchan") as where:
        return "poll" in (found := where.read()) or "skb" in found or "unix_stream" in found


def held(pid):
    """What it has open, besides stderr; None while that changes."""
    fds = set(os.listdir(f"/proc/{pid}/fd")) - {"2"}
    with suppress(FileNotFoundError):
        return sorted(os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")[0] for fd in fds)


@contextmanager
def ending(pids):
    """All of these processes, by what is done inside."""
    fds = [os.pidfd_open(pid) for pid in pids]
    yield
    for fd in fds:
        assert select.select([fd], [], [], 10)[0]
        os.close(fd)


def test_both_sides_are_listed_without_django(trees):
    with running(*trees) as made:
        assert made.listings == [["file:///", str(tree)[1:]] for tree in trees] and not made.knows_django
        assert eventually(lambda: len(made.below()) == 3)


def test_another_storage_is_listed_as_well(trees):
    with running(trees[0], "memory://bucket/") as made:
        assert made.listings == [["file:///", str(trees[0])[1:]], ["memory://bucket/", "folder"]]
        assert eventually(lambda: len(made.below()) == 3)


def test_what_another_storage_holds_is_told_as_it_was_before_it_was_asked_for(trees):
    [source, _] = trees
    place = Place(source.parent.as_uri(), b"source")
    head_start = HeadStart(first_sync([place], prefetch=None))
    try:
        with Lister(head_start.ahead.pop(place)) as listing, closing(open_storage(*place)) as storage:
            [mother] = [head_start._pid]
            [lister] = eventually(lambda: children(mother))
            eventually(lambda: is_waiting(lister))
            (source / "later").touch()
            found = listing.list_chunks(Request(b"source", "", ()), storage.location())
            assert [entry[0] for chunk in found for entry in chunk] == [b"open"]
    finally:
        head_start.mother().close()


def test_the_other_side_is_not_entered_whatever_its_storage_is_called(trees):
    """Nobody refuses a source within which the sink is mounted."""
    [source, _] = trees
    (source / "mounted").mkdir()
    (source / "mounted/file").touch()
    place, other = Place(source.parent.as_uri(), b"source"), Place.of(source / "mounted")
    head_start = HeadStart(first_sync([place, other], prefetch=None))
    try:
        with (
            Lister(head_start.ahead.pop(place)) as listing,
            closing(open_storage(*place)) as storage,
            closing(open_storage(*other)) as sink,
        ):
            found = listing.list_chunks(Request(b"source", "", sink.location()[:1]), storage.location())
            assert [entry[0] for chunk in found for entry in chunk] == [b"mounted/", b"open"]
    finally:
        head_start.drop()
        head_start.mother().close()


@pytest.fixture
def synced(trees, tmp_path):
    """The catalogue of a sync of the trees, of files that are old enough to be believed."""
    for tree in trees:
        (tree / "open").unlink()
    for number in range(7):
        (trees[0] / f"{number}").write_text("text")
        os.utime(trees[0] / f"{number}", (10**9, 10**9))
    command = [sys.executable, "-m", "syncf_site.oneshot", "--", *map(str, trees)]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    [catalogue] = (tmp_path / "state/syncf").glob("sync-*.sqlite3")
    return catalogue


def requested(places, catalogue):
    """What the scan would ask of the only job."""
    with closing(sqlite3.connect(catalogue)) as rows:
        [(job,)], [(schema,)] = rows.execute("SELECT id FROM jobs_job"), rows.execute("PRAGMA user_version")
    source, sink = places
    return comparer.Request(
        lister.guess(source.path, [sink]), lister.guess(sink.path, [source]), comparer.Catalogue(job, schema)
    )


def test_what_was_synced_before_is_compared(trees, synced):
    places = tuple(map(Place.of, trees))
    head_start = HeadStart(later_sync(places, synced))
    try:
        with Connection(head_start.ahead.pop(places).detach()) as comparison:
            assert not head_start.ahead, "nobody else is there to be asked"
            comparison.send(requested(places, synced))
            locations, told = list(lister.received(comparison))
        assert locations == tuple(location(place) for place in places)
        assert (told.passed_files, told.passed_bytes, len(told.rest)) == (7, 28, 1)
    finally:
        head_start.drop()
        head_start.mother().close()


def copied(trees, request):
    """The outcome of a file that went after the listing was asked for, by a worker of the mother's."""
    source, sink = map(Place.of, trees)
    (trees[0] / "file").write_text("text")
    os.utime(trees[0] / "file", (10**9, 10**9))
    head_start = HeadStart(first_sync([source], prefetch=source))
    mother = head_start.mother()
    try:
        [lister] = eventually(lambda: children(head_start._pid))
        eventually(lambda: is_waiting(lister))
        with Lister(head_start.ahead.pop(source)) as listing, closing(open_storage(*source)) as storage:
            list(listing.list_chunks(request(source), storage.location()))
        (trees[0] / "file").unlink()
        places = contracts.Place(*source), contracts.Place(*sink)
        work = Work(1, 1, 1, Kind.FILE, b"file", 4)
        with WorkerProcess(mother.start) as worker:
            worker.set_lease_deadline(boottime() + 60)
            worker.assign(Assignment(1, "job", "0badcafe", *places, Verify.READBACK, (work,)))
            while not isinstance(message := worker.receive(), Outcomes):
                assert isinstance(message, FenceAsked)
                worker.reply({1})
            return message.in_full()[0]
    finally:
        mother.close()


def test_what_is_to_be_copied_is_read_before_it_is_asked_for(trees):
    outcome = copied(trees, lambda place: Request(place.path, "", ()))
    assert outcome.result is Result.COMPLETED and (trees[1] / "file").read_text() == "text"


def test_nothing_that_was_read_is_used_where_something_else_was_to_be_listed(trees):
    outcome = copied(trees, lambda place: Request(place.path, "*.tmp", ()))
    assert outcome.reason_code == "SOURCE_GONE" and not (trees[1] / "file").exists()


def location(place):
    with closing(open_storage(*place)) as storage:
        return storage.location()


def test_who_compares_knows_no_django():
    code = "import sys; from transfers.scan import comparer; print('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_why_a_storage_could_not_be_listed_is_told_to_who_asks():
    place = Place("nonsense://bucket/", b"folder")
    head_start = HeadStart(first_sync([place], prefetch=None))
    try:
        with Lister(head_start.ahead.pop(place)) as listing, pytest.raises(ConfigurationError, match="nonsense"):
            list(listing.list_chunks(Request(b"folder", "", ()), ()))
    finally:
        head_start.mother().close()


def test_what_a_library_says_of_a_server_stays_off_the_terminal(trees, capfd):
    """Who asks is told, by an error whose words are printable."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = "sftp://nobody:secret@{}:{}/".format(*server.getsockname())
        with running(trees[0], url) as made:
            server.accept()[0].close()
            lister = made.below()[-1]
            eventually(lambda: (held(lister) or []).count("socket") == 1)  # it has hung up as well
    assert not capfd.readouterr().err


def test_they_hold_nothing_of_their_maker_s_and_lead_groups_of_their_own(trees):
    """Not the lock of a pair of directories, nor the other end of each other's sockets."""
    with running(*trees) as made:
        pids = eventually(lambda: len(found := made.below()) == 3 and found)
        eventually(lambda: [held(pid) for pid in pids] == [["/dev/null", "/dev/null", "socket"]] * 3)
        assert [os.getpgid(pid) for pid in pids] == pids


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_they_end_with_their_maker_and_only_with_it(trees, number):
    with running(*trees) as made:
        pids = eventually(lambda: len(found := made.below()) == 3 and found)
        eventually(lambda: all(os.getpgid(pid) == pid for pid in pids))
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
        assert made.below() == pids
        made.tell("share")
        heir = int(made.process.stdout.readline())
        try:
            with ending(pids):
                made.process.send_signal(number)
        finally:
            os.kill(heir, signal.SIGKILL)


def test_what_is_not_asked_for_ends_when_it_is_dropped_and_she_waits_on(trees):
    with running(*trees) as made:
        mother, *listers = eventually(lambda: len(found := made.below()) == 3 and found)
        with ending(listers):
            made.tell("drop")
        assert os.path.exists(f"/proc/{mother}/exe")


def test_closed_nothing_is_left(trees):
    with running(*trees) as made:
        pids = eventually(lambda: len(found := made.below()) == 3 and found)
        made.tell("close")
        assert made.process.stdout.readline() == "closed\n"
        assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
