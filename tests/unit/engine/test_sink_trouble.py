"""What a sink may refuse, what becomes of the file, and what its operator is told."""

import errno
import os
import unicodedata

import pytest

from storage_backends.base import Kind
from storage_backends.local import beneath, system
from tests.unit.engine.doubles import PART, pattern
from transfers.engine.contracts import Result

SMALL, BIG = 3000, 3 * PART
#: errno → (code, result, whether an attempt is lost, what the text says)
TROUBLE = {
    "ENOSPC": ("SINK_NO_SPACE", Result.RETRY, False, "full; free some space"),
    "EDQUOT": ("SINK_QUOTA_EXCEEDED", Result.RETRY, False, "quota is used up; raise it"),
    "EROFS": ("SINK_READ_ONLY", Result.FAILED, True, "mounted read-only; remount it writable"),
    "EACCES": ("SINK_PERMISSION_DENIED", Result.FAILED, True, "may not do this; check mode and owner"),
    "EPERM": ("SINK_PERMISSION_DENIED", Result.FAILED, True, "check owner and flags (lsattr)"),
    "ENAMETOOLONG": ("SINK_NAME_TOO_LONG", Result.FAILED, True, "name is too long"),
    "EILSEQ": ("SINK_BAD_PATH", Result.FAILED, True, "rename it at the source"),
    "EFBIG": ("SINK_FILE_TOO_BIG", Result.FAILED, True, "larger than this file system"),
    "EIO": ("SINK_IO_ERROR", Result.RETRY, True, "check it (dmesg)"),
    "ESTALE": ("SINK_UNREACHABLE", Result.RETRY, False, "check the mount"),
}


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("call", ["pwrite", "rename"])
@pytest.mark.parametrize("name", TROUBLE)
def test_every_refusal_has_its_reason_and_leaves_the_old_file(bench, monkeypatch, name, call, size):
    bench.write("f", pattern(size))
    (bench.at_sink / "f").write_bytes(b"older")
    number = getattr(errno, name)

    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(system, call, refuse)
    (outcome,) = bench.run(bench.work(1, "f"))
    code, result, costs_attempt, text = TROUBLE[name]
    assert (outcome.reason_code, outcome.result, outcome.costs_attempt) == (code, result, costs_attempt)
    assert text in outcome.reason_text and "'f'" in outcome.reason_text
    assert (bench.at_sink / "f").read_bytes() == b"older"


# ── names that the sink takes for the same ────────────────────────────────────────────────────────────────────


def fold(monkeypatch, same):
    """Names that `same` makes equal are one name for every call: that of the file that was there first."""
    real = {name: getattr(system, name) for name in ("stat", "rename", "rename_new", "mkdir", "open")}

    def spelled(name, fd):
        names = [os.fsencode(each) for each in os.listdir(f"/proc/self/fd/{fd}")] if fd is not None else []
        return next((each for each in names if each == name), None) or next(
            (each for each in names if same(os.fsdecode(each)) == same(os.fsdecode(name))), name
        )

    def stat(name, *, dir_fd=None, follow_symlinks=True):
        return real["stat"](spelled(name, dir_fd), dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    def rename(name, target, *, src_dir_fd=None, dst_dir_fd=None):
        real["rename"](name, spelled(target, dst_dir_fd), src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def rename_new(name, target, *, dir_fd, target_fd=None):
        where = dir_fd if target_fd is None else target_fd
        real["rename_new"](name, spelled(target, where), dir_fd=dir_fd, target_fd=where)

    def mkdir(name, mode, *, dir_fd):
        real["mkdir"](spelled(name, dir_fd), mode, dir_fd=dir_fd)

    def open(name, flags, mode=0o777, *, dir_fd=None):
        is_directory = flags & os.O_DIRECTORY
        return real["open"](
            spelled(name, dir_fd) if is_directory and name != b"." else name, flags, mode, dir_fd=dir_fd
        )

    for call in (rename_new, mkdir, open):
        monkeypatch.setattr(system, call.__name__, call)
    monkeypatch.setattr(beneath, "has_openat2", lambda: False)
    monkeypatch.setattr(system, "stat", stat)
    monkeypatch.setattr(system, "rename", rename)


PAIRS = {
    "case": (str.lower, "READ me", "read Me"),
    "accents": (lambda text: unicodedata.normalize("NFD", text), "caf\u00e9", "cafe\u0301"),
}


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("how", PAIRS)
def test_a_name_that_means_another_file_there_never_replaces_it(bench, monkeypatch, how, size):
    same, first, second = PAIRS[how]
    works = []
    for number, name in enumerate((first, second)):
        bench.write(name, pattern(size, seed=number))
        works.append(bench.work(number + 1, name))
    fold(monkeypatch, same)
    one, other = bench.run(*works)
    assert (one.result, other.result) == (Result.COMPLETED, Result.FAILED)
    assert other.reason_code == "SINK_NAME_COLLISION"
    assert "the same name for this file system; rename one of them" in other.reason_text
    assert (bench.at_sink / first).read_bytes() == pattern(size)
    assert len(list(bench.at_sink.iterdir())) == 1, "a partial was left"


@pytest.mark.parametrize("how", PAIRS)
def test_there_a_file_is_still_replaced_by_its_own_newer_version(bench, monkeypatch, how):
    same, first, _ = PAIRS[how]
    fold(monkeypatch, same)
    for seed in (1, 2):
        bench.write(first, pattern(SMALL, seed=seed))
        assert bench.run(bench.work(1, first))[0].result is Result.COMPLETED
        assert (bench.at_sink / first).read_bytes() == pattern(SMALL, seed=seed)


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("how", PAIRS)
def test_a_directory_that_means_another_one_there_is_never_merged_with_it(bench, monkeypatch, how, size):
    same, first, second = PAIRS[how]
    for number, name in enumerate((first, second)):
        bench.write(f"{name}/below/f{number}", pattern(size, seed=number))
    fold(monkeypatch, same)
    [one] = bench.run(bench.work(1, f"{first}/below/f0"))
    [other] = bench.run(bench.work(2, f"{second}/below/f1"))
    assert (one.result, other.result, other.reason_code) == (Result.COMPLETED, Result.FAILED, "SINK_NAME_COLLISION")
    assert "the same name for this file system; rename one of them" in other.reason_text
    assert [path.name for path in (bench.at_sink / first / "below").iterdir()] == ["f0"]
    works = [bench.work(number, name, Kind.DIRECTORY) for number, name in enumerate((first, second), 3)]
    one, other = bench.run(*works)
    assert (one.result, other.result, other.reason_code) == (Result.COMPLETED, Result.FAILED, "SINK_NAME_COLLISION")
    assert len(list(bench.at_sink.iterdir())) == 1


@pytest.mark.parametrize("above", ["", "new/"])
@pytest.mark.parametrize("how", PAIRS)
def test_nor_are_two_that_are_built_together(bench, monkeypatch, how, above):
    same, first, second = PAIRS[how]
    works = []
    for number, name in enumerate((f"{above}{first}/f0", f"{above}{second}/f1")):
        bench.write(name, pattern(SMALL, seed=number))
        works.append(bench.work(number + 1, name))
    fold(monkeypatch, same)
    one, other = bench.run(*works)
    assert (one.result, other.result, other.reason_code) == (Result.COMPLETED, Result.FAILED, "SINK_NAME_COLLISION")
    assert [path.name for path in (bench.at_sink / above / first).iterdir()] == ["f0"]
    assert len(list((bench.at_sink / above).iterdir())) == 1


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("how", PAIRS)
def test_nor_is_a_file_replaced_that_another_slave_publishes_at_the_same_moment(bench, monkeypatch, how, size):
    """Everything this one asks beforehand is answered as it was before; only its renaming meets the other's file."""
    same, first, second = PAIRS[how]
    bench.write(second, pattern(size))
    fold(monkeypatch, same)
    for call in ("rename", "rename_new"):
        meets(monkeypatch, bench.at_sink / first, getattr(system, call), call)
    [outcome] = bench.run(bench.work(1, second))
    assert (outcome.result, outcome.reason_code) == (Result.FAILED, "SINK_NAME_COLLISION")
    assert [(path.name, path.read_bytes()) for path in bench.at_sink.iterdir()] == [(first, b"the other's")]


def meets(monkeypatch, file, real, call):
    def publish(*args, **kwargs):
        file.write_bytes(b"the other's")
        return real(*args, **kwargs)

    monkeypatch.setattr(system, call, publish)
