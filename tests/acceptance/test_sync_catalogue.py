"""`make sync` where what it knows can't be used: one sentence tells which file and what to do, and nothing is left
behind. Doing it helps."""

import os
import re
import shlex
import sqlite3
import subprocess

import pytest

from tests.acceptance.people import home_of
from tests.acceptance.planting import hand_over, plant
from tests.acceptance.processes import ORPHAN_SECONDS, eventually
from tests.acceptance.syncing import OneShot, json_of
from tests.acceptance.test_roots import may_mount

FILES = 500
PAGE = 4096


@pytest.fixture
def trees(oneshot, tmp_path):
    """(source, sink), synced once; a file has come since."""
    source, sink = tmp_path / "source", tmp_path / "sink"
    for number in range(FILES):
        plant(source, b"%d" % number)
    assert oneshot.run(source, sink).code == 0
    plant(source, b"new")
    return source, sink


def catalogue(oneshot):
    """The database, closed as SQLite does it: nothing is left in its journal."""
    [file] = (oneshot.state / "syncf").glob("sync-*.sqlite3")
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file


def overwrite(file, begin, end):
    """These parts of the whole, with what is no page of a database."""
    with file.open("r+b") as written:
        pages = file.stat().st_size // PAGE
        written.seek(int(pages * begin) * PAGE)
        written.write(os.urandom(PAGE * int(pages * (end - begin))))


def make_a_directory(file):
    file.unlink()
    file.mkdir()


DAMAGES = {
    "overwritten": lambda file: overwrite(file, 0, 1),
    "truncated": lambda file: os.truncate(file, 5 * PAGE),
    "a directory": make_a_directory,
    "in its first half": lambda file: overwrite(file, 0.1, 0.5),
    "in its second half": lambda file: overwrite(file, 0.5, 1),
}


def assert_one_sentence(process, *words):
    assert process.code == 2, process.err
    assert process.out == "" and process.err.count("\n") == 1, process.err
    for word in words:
        assert str(word) in process.err


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_catalogue_is_named_and_moved_aside_as_it_says_nothing_is_lost(
    oneshot, trees, assert_same, damage, processes
):
    file = catalogue(oneshot)
    damage(file)
    process = oneshot.run(*trees, "--json")
    assert_one_sentence(process, file, "is damaged", "nothing at the sink is lost")
    eventually(lambda: not processes.alive(), ORPHAN_SECONDS, "all that it began to end")
    subprocess.run(shlex.split(re.search(r"\((mv .+?)\)", process.err)[1]), check=True)
    again = oneshot.run(*trees, "--json")
    assert (again.code, json_of(again)["copied"], json_of(again)["unchanged"]) == (0, 1, FILES)
    assert_same(*trees)


@pytest.fixture
def somebody(processes, an_ordinary_person):
    """(the command of an ordinary user who has synced, its arguments, the state directory)."""
    with home_of(an_ordinary_person) as home:
        plant(home / "source", b"a")
        (home / "state").mkdir()
        hand_over(home, an_ordinary_person)
        oneshot = OneShot(processes, home / "state", an_ordinary_person)
        assert oneshot.run(home / "source", home / "sink").code == 0
        catalogue(oneshot)
        yield oneshot, (home / "source", home / "sink"), home / "state" / "syncf"


def forbid_the_directory(state):
    for left in state.iterdir():
        left.unlink()
    state.chmod(0o500)


def forbid_new_files(state):
    state.chmod(0o500)


def forbid_the_database(state):
    for file in state.glob("sync-*.sqlite3"):
        file.chmod(0)


def put_a_file_there(state):
    state.rename(state.with_name("before"))
    state.write_text("")


@pytest.mark.parametrize("forbid", [forbid_the_directory, forbid_new_files, forbid_the_database, put_a_file_there])
def test_a_directory_that_may_not_be_written_is_named_and_another_one_helps(somebody, forbid, processes):
    oneshot, trees, state = somebody
    forbid(state)
    assert_one_sentence(oneshot.run(*trees), state, "can't be used", "set XDG_STATE_HOME")
    eventually(lambda: not processes.alive(), ORPHAN_SECONDS, "all that it began to end")
    oneshot.environment["XDG_STATE_HOME"] = str(state.parents[1] / "elsewhere")
    (state.parents[1] / "elsewhere").mkdir()
    hand_over(state.parents[1] / "elsewhere", oneshot.person)
    assert oneshot.run(*trees).code == 0
    if state.is_dir():
        state.chmod(0o700)


#: A tmpfs of so many KiB in a mount namespace of its own, filled, a sync, room made, a sync.
ON_A_FULL_DISK = """
mount -t tmpfs -o size={kib}k syncf-test "$XDG_STATE_HOME" || exit 9
if [ {begin} = later ]; then "$@" || exit 8; fi
if [ {begin} != meanwhile ]; then cat /dev/zero > "$XDG_STATE_HOME/balloon" 2>/dev/null; fi
"$@"; echo "code $?" >&2
rm -f "$XDG_STATE_HOME/balloon"; mount -o remount,size=100m "$XDG_STATE_HOME" || exit 7
"$@"
"""


@pytest.fixture
def full_disk(processes, tmp_path):
    """Sync on a disk that is full before it is done, then with room: `full_disk(kib, begin)` → (the process, its state
    directory, the trees)."""
    trees, state = (tmp_path / "source", tmp_path / "sink"), tmp_path / "state"
    state.mkdir()

    def full_disk(kib, begin):
        oneshot = OneShot(processes, state)
        script = ["sh", "-c", ON_A_FULL_DISK.format(kib=kib, begin=begin), "sh", *oneshot.command(*trees)]
        process = processes.start(["unshare", "--mount", *script], oneshot.environment)
        assert process.wait(60) == 0, process.err
        return process, state, trees

    return full_disk


@pytest.mark.skipif(not may_mount(), reason="mounting needs root with CAP_SYS_ADMIN")
@pytest.mark.parametrize(
    ("kib", "begin"), [(4, "at once"), (400, "meanwhile"), (1200, "meanwhile"), (1500, "meanwhile"), (4000, "later")]
)
def test_a_full_disk_is_named_and_with_room_it_goes_on(full_disk, tmp_path, assert_same, kib, begin):
    plant(tmp_path / "source", b"a")
    assert_told_and_mended(*full_disk(kib, begin), assert_same)


@pytest.mark.skipif(not may_mount(), reason="mounting needs root with CAP_SYS_ADMIN")
def test_a_disk_that_fills_while_files_are_found_and_copied_is_named_at_once(full_disk, tmp_path, assert_same):
    """Nobody waits out a lease for room that only who reads this can make."""
    for number in range(4000):
        plant(tmp_path / "source", b"d%d/file-%06d" % (number // 500, number), b"x")
    assert_told_and_mended(*full_disk(2500, "meanwhile"), assert_same)


def assert_told_and_mended(process, state, trees, assert_same):
    assert "code 2" in process.err and "Traceback" not in process.err, process.err
    assert process.err.count(f"{state}/syncf, where a sync keeps what it knows, is full.") == 1
    assert "trying again" not in process.err, process.err
    assert_same(*trees)
