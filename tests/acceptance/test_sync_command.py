"""`make sync` and the command behind it: what it promises a person at a shell, and a script."""

import json
import os
import re
import signal
import subprocess

import pytest

from tests.acceptance.checkout import make_checkout
from tests.acceptance.people import home_of
from tests.acceptance.planting import LONG_AGO_NS, hand_over, plant, snapshot
from tests.acceptance.processes import ROOT, eventually, io_of_the_ended
from tests.acceptance.syncing import OneShot, json_of

MIB = 1 << 20
#: A name that make, the shell, or an option parser could take for something else.
AWKWARD = "-dash two words quo'te\"s $HOME ${x} `id` #;&|*? new\nline a:b=c back\\slash "


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A checkout whose `make` may be called."""
    return make_checkout(tmp_path_factory.mktemp("checkout") / "syncf")


@pytest.fixture
def trees(tmp_path):
    """(source, sink); the source has three files, 15 bytes."""
    source = tmp_path / "source"
    for name, content in ((b"a", b"first"), (b"directory/b", b"second"), (b"c.log", b"last")):
        plant(source, name, content)
    return source, tmp_path / "sink"


@pytest.fixture
def as_ordinary_user(processes, an_ordinary_person):
    """(the command run by an ordinary user, a directory of that user)."""
    with home_of(an_ordinary_person) as home:
        (home / "state").mkdir()
        hand_over(home, an_ordinary_person)
        yield OneShot(processes, home / "state", an_ordinary_person), home


# ── make ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_make_sync_takes_every_name_as_it_stands(oneshot, checkout, tmp_path, assert_same):
    plant(tmp_path / AWKWARD, b"file")
    arguments = [f"SOURCE={tmp_path}/{AWKWARD}", f"SINK={tmp_path}/to {AWKWARD}"]
    done = subprocess.run(["make", "sync", *arguments], cwd=checkout, env=oneshot.environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert_same(tmp_path / AWKWARD, tmp_path / f"to {AWKWARD}")


def test_make_sync_takes_relative_names_and_options(oneshot, checkout, assert_same):
    plant(checkout, b"data/-from/file")
    plant(checkout, b"data/-from/not this.log")
    command = ["make", "-s", "sync", "SOURCE=data/-from", "SINK=data/to", "ARGS=--json --exclude=*.log"]
    done = subprocess.run(command, cwd=checkout, env=oneshot.environment, capture_output=True)
    assert json.loads(done.stdout.splitlines()[-1])["files"] == 1
    assert os.listdir(checkout / "data/to") == ["file"]


@pytest.mark.parametrize("arguments", [[], ["SOURCE=/etc"], ["SINK=/tmp/x"], ["SOURCE=", "SINK="]])
def test_make_sync_without_a_source_and_a_sink_says_how_it_is_used(oneshot, checkout, arguments):
    done = subprocess.run(["make", "sync", *arguments], cwd=checkout, env=oneshot.environment, capture_output=True)
    assert done.returncode == 2
    assert b"usage: make sync SOURCE=dir SINK=dir" in done.stderr


# ── numbers and exit codes ────────────────────────────────────────────────────────────────────────────────────


def test_json_ends_stdout_with_one_object_that_adds_up(oneshot, trees, assert_same):
    first = oneshot.run(*trees, "--json")
    assert first.code == 0
    assert_same(*trees)
    promised = {"files": 3, "copied": 3, "unchanged": 0, "skipped": 0, "failed": 0, "bytes_copied": 15}
    numbers = json_of(first)
    assert {name: numbers[name] for name in promised} == promised
    assert numbers["bytes_resumed"] == 0 and 0 < numbers["seconds"] < 60

    plant(trees[0], b"new", b"new", mtime_ns=LONG_AGO_NS)
    again = json_of(oneshot.run(*trees, "--json"))
    assert (again["files"], again["copied"], again["unchanged"], again["bytes_copied"]) == (4, 1, 3, 3)


def test_an_object_that_nobody_takes_is_told(oneshot, trees):
    with open("/dev/full", "wb") as full:
        command = oneshot.command(*trees, "--json")
        asked = {"cwd": ROOT, "env": oneshot.environment, "stdout": full, "stderr": subprocess.PIPE, "text": True}
        done = subprocess.run(command, timeout=60, **asked)
    assert done.returncode == 1
    assert done.stderr.endswith("The JSON object could not be written to stdout: No space left on device.\n")
    assert "Traceback" not in done.stderr


def test_without_json_stdout_stays_empty(oneshot, trees):
    process = oneshot.run(*trees)
    assert (process.code, process.out) == (0, "")
    assert "3 files" in process.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{source}"], "required: sink"),
        (["{source}", "{sink}", "{sink}"], "unrecognized"),
        (["--no-such-option", "{source}", "{sink}"], "--no-such-option"),
        (["--bwlimit=fast", "{source}", "{sink}"], "'fast' is no rate"),
        (["--concurrency=0", "{source}", "{sink}"], "concurrency"),
        (["--max-attempts=0", "{source}", "{sink}"], "max-attempts"),
        (["--exclude=!", "{source}", "{sink}"], "rule"),
        (["{base}/missing", "{sink}"], "SOURCE: there is no directory {base}/missing. It is the directory"),
        (["{source}/a", "{sink}"], "SOURCE: {source}/a is not a directory."),
        (["{source}", "{source}/a"], "SINK: {source}/a is not a directory."),
        (["--no-such-option", "{source}", "{sink}"], "usage: make sync SOURCE=dir SINK=dir"),
        (["{source}", "{source}"], "overlap"),
        (["{source}", "{source}/below"], "overlap"),
        (["{source}/directory", "{source}"], "overlap"),
    ],
)
def test_what_can_not_be_done_is_said_and_ends_with_2(processes, oneshot, trees, arguments, said):
    source, sink = trees
    before = snapshot(source)
    names = {"source": source, "sink": sink, "base": source.parent}
    filled = [argument.format(**names) for argument in arguments]
    command = [*oneshot.person.command, "-m", "syncf_site.oneshot", *filled]
    process = processes.start(command, oneshot.environment)
    assert process.wait() == 2, process.err
    assert said.format(**names) in process.err and "manage.py" not in process.err
    assert "Traceback" not in process.err
    assert snapshot(source) == before and not sink.exists()


def test_a_link_in_the_arguments_is_resolved_first(oneshot, trees, assert_same):
    source, sink = trees
    (source.parent / "link").symlink_to(source)
    sink.mkdir()
    (source.parent / "link to sink").symlink_to(sink)
    assert oneshot.run(source.parent / "link", source.parent / "link to sink").code == 0
    assert_same(source, sink)


def test_a_sink_below_missing_directories_is_made(oneshot, trees, assert_same):
    source, _ = trees
    assert oneshot.run(source, source.parent / "x/y/z").code == 0
    assert_same(source, source.parent / "x/y/z")


def test_a_file_that_may_not_be_read_is_named_with_its_reason_and_ends_with_1(as_ordinary_user):
    oneshot, home = as_ordinary_user
    for name in (b"open", b"new\nline"):
        plant(home / "source", name)
    hand_over(home / "source", oneshot.person)
    (home / "source/new\nline").chmod(0)
    process = oneshot.run(home / "source", home / "sink", "--json")
    assert process.code == 1
    numbers = json_of(process)
    assert (numbers["files"], numbers["copied"], numbers["failed"]) == (2, 1, 1)
    assert re.search(r"new\\nline: SOURCE_PERMISSION_DENIED: .+", process.err)
    assert os.listdir(home / "sink") == ["open"]

    (home / "source/new\nline").chmod(0o600)
    again = oneshot.run(home / "source", home / "sink", "--json")
    assert (again.code, json_of(again)["copied"], json_of(again)["unchanged"]) == (0, 1, 1)


def test_of_many_failures_twenty_are_named_and_a_file_has_them_all(as_ordinary_user):
    oneshot, home = as_ordinary_user
    names = [f"closed {number:02}" for number in range(25)]
    for name in names:
        plant(home / "source", name.encode())
    hand_over(home / "source", oneshot.person)
    for name in names:
        (home / "source" / name).chmod(0)
    process = oneshot.run(home / "source", home / "sink", "--json")
    assert process.code == 1
    assert json_of(process)["failed"] == 25
    assert len(re.findall(r"^ +[a-z ]+: closed \d\d: ", process.err, re.MULTILINE)) == 20
    file = re.search(r"5 more; all are in (.+)$", process.err, re.MULTILINE)[1]
    with open(file) as lines:
        assert [name for line in lines for name in names if f" {name}: " in line] == names


# ── options ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_says_what_would_be_done_and_touches_nothing(oneshot, trees):
    source, sink = trees
    before = snapshot(source)
    process = oneshot.run(*trees, "--dry-run", "--json")
    assert process.code == 0, process.err
    plan = json_of(process)
    assert (plan["files"], plan["new"], plan["bytes_to_copy"]) == (3, 3, 15)
    assert "directory/b" in process.err and "Nothing was touched" in process.err
    assert snapshot(source) == before and not sink.exists()
    assert oneshot.tasks() == {}

    assert oneshot.run(*trees).code == 0
    (sink / "a").write_bytes(b"damaged")
    plant(source, b"c.log", b"longer than before")
    before = snapshot(source), snapshot(sink)
    plan = json_of(oneshot.run(*trees, "--dry-run", "--json"))
    assert (plan["files"], plan["drifted"], plan["changed"], plan["unchanged"]) == (3, 1, 1, 1)
    assert (snapshot(source), snapshot(sink)) == before
    assert {row["status"] for row in oneshot.tasks().values()} == {"completed"}
    assert json_of(oneshot.run(*trees, "--json"))["copied"] == 2


def test_the_source_is_never_written(oneshot, trees):
    before = snapshot(trees[0])
    for _ in range(2):
        assert oneshot.run(*trees).code == 0
    assert snapshot(trees[0]) == before


def test_excluded_files_stay_away_and_only_included_ones_come(oneshot, trees):
    source, sink = trees
    plant(source, b"directory/d.log")
    plant(source, b"cache/e")
    found = {}
    for name, options in {
        "exclude": ["--exclude=*.log", "--exclude", "/cache/"],
        "include": ["--include=*.log"],
        "both": ["--include=*.log", "--exclude=/c.log"],
    }.items():
        assert oneshot.run(source, sink / name, *options).code == 0
        found[name] = {str(path.relative_to(sink / name)) for path in (sink / name).rglob("*") if path.is_file()}
    assert found == {
        "exclude": {"a", "directory/b"},
        "include": {"c.log", "directory/d.log"},
        "both": {"directory/d.log"},
    }


@pytest.mark.parametrize("files", [1, 4])
def test_the_rate_is_kept_whether_it_is_one_file_or_several(oneshot, tmp_path, files):
    for number in range(files):
        plant(tmp_path / "source", b"%d" % number, os.urandom(12 * MIB // files))
    process = oneshot.run(tmp_path / "source", tmp_path / "sink", "--json", "--bwlimit=2M", "--concurrency=2")
    assert process.code == 0, process.err
    assert 6 * 0.75 < json_of(process)["seconds"] < 6 * 1.25


# ── interrupted, and two at once ──────────────────────────────────────────────────────────────────────────────


def partial_bytes(sink):
    return sum(path.stat().st_size for path in sink.glob(".syncf-*.part"))


def test_a_second_sync_of_the_same_directories_is_refused_while_the_first_runs(oneshot, tmp_path):
    plant(tmp_path / "source", b"big", bytes(64 * MIB))
    first = oneshot.start(tmp_path / "source", tmp_path / "sink", "--bwlimit=4M")
    eventually(lambda: partial_bytes(tmp_path / "sink"), 20, "the first to copy")
    second = oneshot.run(tmp_path / "source", tmp_path / "sink")
    assert second.code == 2
    assert "already running" in second.err
    assert first.code is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_sync_goes_on_where_it_stopped(oneshot, tmp_path, assert_same, number):
    source, sink = tmp_path / "source", tmp_path / "sink"
    size, rate = 128 * MIB, 16 * MIB
    plant(source, b"big", os.urandom(size))
    first = oneshot.start(source, sink, "--json", f"--bwlimit={rate}")
    eventually(lambda: partial_bytes(sink) > 56 * MIB, 30, "56 MiB to be copied")
    os.killpg(first.pid, number)
    assert first.wait() == (130 if number == signal.SIGINT else -number)
    there = partial_bytes(sink)
    assert os.listdir(sink) == [path.name for path in sink.glob(".syncf-*.part")]

    written = io_of_the_ended("wchar")
    second = oneshot.run(source, sink, "--json")
    written = io_of_the_ended("wchar") - written
    assert second.code == 0, second.err
    assert_same(source, sink)
    # Ctrl-C: to the byte. kill -9: at most a checkpoint interval (2 s, which the rate makes 32 MiB) is sent again.
    again = 0 if number == signal.SIGINT else 2 * rate
    missing = size - there
    assert missing <= written <= missing + again + 2 * MIB
    numbers = json_of(second)
    assert numbers["bytes_resumed"] >= there - again > 0
    assert numbers["bytes_copied"] + numbers["bytes_resumed"] == size
    if number == signal.SIGINT:
        assert "run it again" in first.err
