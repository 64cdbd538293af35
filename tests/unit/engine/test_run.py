"""Every work gets exactly one outcome, whatever happens."""

import os

import pytest

from storage_backends import errors
from storage_backends.base import Kind, RootIdentity
from storage_backends.errors import StorageError
from storage_backends.local.storage import CAPABILITIES
from storage_backends.memory import MemoryStorage
from storage_backends.registry import open_storage
from tests.unit.engine.doubles import PART, Around, MemoryControl, MemoryJournal, pattern
from transfers.engine import failures
from transfers.engine import run as run_module
from transfers.engine.contracts import Assignment, Place, Result, Verify, Work
from transfers.engine.failures import Failure, Side
from transfers.engine.prefetch import Memory, Prefetched
from transfers.engine.run import Storages, run, run_in_groups


def a_bit_of_everything(bench):
    bench.write("small", b"s")
    bench.write("big", pattern(3 * PART))
    bench.write("sub/x", b"x")
    os.symlink("x", bench.at_source / "link")
    return [
        bench.work(1, "small"),
        bench.work(2, "big"),
        bench.work(3, "link", Kind.SYMLINK),
        bench.work(4, "sub/", Kind.DIRECTORY),
        bench.work(5, "missing"),
        bench.work(6, "sub/x", Kind.SPECIAL),
    ]


def test_every_kind_of_work_is_answered_once(bench):
    assert len(bench.run(*a_bit_of_everything(bench))) == 6


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_storage_that_can_not_be_opened_answers_for_all(bench, side):
    works = a_bit_of_everything(bench)
    setattr(bench, side, Place("nonsense://x", b""))
    outcomes = bench.run(*works)
    assert {outcome.reason_code for outcome in outcomes} == {f"{side.upper()}_CONFIGURATION"}
    assert {outcome.result for outcome in outcomes} == {Result.FAILED}


@pytest.mark.parametrize(
    "method", ["write_batch", "resume_upload", "write_directories", "get_file_info", "begin_upload"]
)
def test_a_mistake_of_ours_anywhere_still_answers_for_all(bench, method):
    works = a_bit_of_everything(bench)

    def mistake(*args, **kwargs):
        raise ZeroDivisionError("oops\nsecond line")

    bench.around_sink = lambda storage: Around(storage, **{method: mistake})
    codes = {outcome.reason_code for outcome in bench.run(*(work._replace(compare_first=True) for work in works))}
    assert "INTERNAL_ERROR" in codes


def test_outcomes_of_one_group_commit_come_together(bench):
    for number in range(4):
        bench.write(f"f{number}", b"x")
    works = [bench.work(number, f"f{number}") for number in range(4)]
    groups = list(run_in_groups(bench.assignment(*works), bench.storages, bench.journal, bench.control))
    assert [len(group.in_full()) for group in groups] == [4]


@pytest.mark.parametrize(("rate", "parts"), [(0, 0), (1, 4)])
def test_where_a_rate_is_kept_what_has_several_parts_is_sent_part_by_part(tmp_path, rate, parts):
    """A pause comes between two of them, and people see them go."""
    for side in ("in", "out"):
        (tmp_path / side).mkdir()
    part = CAPABILITIES.preferred_part_bytes
    (tmp_path / "in/f").write_bytes(bytes(4 * part))
    control, journal = MemoryControl(), MemoryJournal()
    control.rate = rate
    places = (Place("file:///", os.fsencode(tmp_path / side)[1:]) for side in ("in", "out"))
    work = Work(1, 1, 1, Kind.FILE, b"f", 4 * part)
    [outcome] = run(Assignment(1, "job", "0badcafe", *places, Verify.READBACK, (work,)), Storages(), journal, control)
    assert outcome.result is Result.COMPLETED
    assert control.throttled == ([part] * parts if parts else [4 * part])


def test_a_root_that_was_replaced_is_opened_anew(bench):
    bench.write("a", b"1")
    bench.run(bench.work(1, "a"))
    bench.at_sink.rename(bench.root / "old")
    bench.at_sink.mkdir()
    bench.run(bench.work(1, "a"))
    assert (bench.at_sink / "a").read_bytes() == b"1"


@pytest.mark.parametrize(("holds_its_root", "times"), [(True, 2), (False, 1)])
def test_a_storage_stays_open_for_the_next_assignment_unless_it_holds_its_root(bench, holds_its_root, times):
    opened = []

    def around_sink(storage):
        storage.capabilities = storage.capabilities._replace(holds_its_root=holds_its_root)
        opened.append(storage)
        return storage

    bench.around_sink = around_sink
    for number, name in enumerate("ab"):
        bench.write(name, b"1")
        bench.run(bench.work(number, name))
    assert len(opened) == times


def opened_with(monkeypatch) -> list[bool]:
    """Notes `create` of every storage that is opened."""
    seen, real = [], run_module.open_storage
    monkeypatch.setattr(
        run_module,
        "open_storage",
        lambda url, path, create=False: seen.append(create) or real(url, path, create=create),
    )
    return seen


def test_on_another_device_nothing_is_made(bench, monkeypatch):
    """An unmounted disk leaves its empty mount point behind."""
    seen = opened_with(monkeypatch)
    before, place = len(os.listdir("/proc/self/fd")), Place(f"file://{bench.root}", b"new", True, "the disk")
    storages = Storages()
    with pytest.raises(errors.RootChanged):
        storages.open(place)
    assert not (bench.root / "new").exists() and True not in seen
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_disk_that_is_taken_away_before_its_directory_is_made_is_noticed(bench, monkeypatch):
    device = open_storage(f"file://{bench.root}").root_identity().device
    real = run_module.open_storage

    def taken_away(url, path, create=False):
        storage = real(url, path, create=create)
        if create:
            monkeypatch.setattr(
                storage, "root_identity", lambda: RootIdentity(("1:1",), "the mount point's", True, True)
            )
        return storage

    monkeypatch.setattr(run_module, "open_storage", taken_away)
    with pytest.raises(errors.RootChanged):
        Storages().open(Place(f"file://{bench.root}", b"new", True, device))


@pytest.mark.parametrize("is_there", [True, False])
def test_on_its_device_a_storage_is_opened_once_and_made_where_it_is_missing(bench, monkeypatch, is_there):
    if is_there:
        (bench.root / "new").mkdir()
    device = open_storage(f"file://{bench.root}").root_identity().device
    seen = opened_with(monkeypatch)
    storages = Storages()
    assert storages.open(Place(f"file://{bench.root}", b"new", True, device)).get_file_info(b"").kind is Kind.DIRECTORY
    assert seen == ([False] if is_there else [False, True])
    storages.close()


def test_descriptors_do_not_pile_up(bench):
    works = a_bit_of_everything(bench)
    bench.run(*works)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        list(run(bench.assignment(*works), bench.storages, bench.journal, bench.control))
    assert len(os.listdir("/proc/self/fd")) == before


def every_error():
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StorageError)]


@pytest.mark.parametrize("kind", every_error())
@pytest.mark.parametrize("side", Side)
def test_every_storage_error_has_a_listed_code_and_a_sentence(bench, kind, side):
    work = bench.work(1, "a\nb")
    outcome = failures.failed(work, Failure(side, kind("it broke", retry_after_seconds=3)))
    assert outcome.reason_code in failures.REASON_CODES
    assert "a\\nb" in outcome.reason_text and "it broke" in outcome.reason_text and outcome.reason_text.endswith(".")
    assert (outcome.costs_attempt, outcome.retry_after_seconds) == (kind.costs_attempt, 3)
    assert outcome.result in (Result.RETRY, Result.FAILED, Result.SKIPPED)


def test_a_code_says_the_side_and_the_error():
    assert failures.code_of(Failure(Side.SINK, errors.NoSpace())) == "SINK_NO_SPACE"
    assert failures.code_of(Failure(Side.SOURCE, errors.NotFound())) == "SOURCE_GONE"
    assert failures.code_of(Failure(Side.SOURCE, errors.VersionChanged())) == "SOURCE_CHANGED"


@pytest.mark.parametrize(
    ("side", "kind", "result"),
    [
        (Side.SOURCE, errors.NotFound, Result.SKIPPED),
        (Side.SOURCE, errors.NotRegular, Result.SKIPPED),
        (Side.SINK, errors.NotFound, Result.RETRY),
        (Side.SINK, errors.NoSpace, Result.RETRY),
        (Side.SINK, errors.PermissionDenied, Result.FAILED),
    ],
)
def test_the_result_says_whether_another_attempt_makes_sense(side, kind, result):
    assert failures.result_of(Failure(side, kind())) is result


@pytest.mark.parametrize("is_scanned_now", [True, False])
def test_a_service_that_may_not_answer_is_asked_before_its_files_are(bench, monkeypatch, is_scanned_now):
    """Else every file would wait for it; where the scan has just looked, a look would cost as much as a small file."""
    place = Place("memory://asked", b"", device=open_storage("memory://asked").root_identity().device)
    asked, real = [], MemoryStorage.root_identity
    monkeypatch.setattr(MemoryStorage, "root_identity", lambda storage: asked.append(1) or real(storage))
    storages = Storages(Prefetched(Memory(-1), "", b"") if is_scanned_now else None)
    looks = []
    for had_trouble in (False, True, False):
        storages.open(place)
        looks.append(len(asked))
        storages.release(had_trouble)
    storages.close()
    assert looks == ([0, 0, 1] if is_scanned_now else [1, 1, 2])
