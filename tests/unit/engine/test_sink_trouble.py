"""What a sink may refuse, what becomes of the file, and what its operator is told."""

import errno
import os
import unicodedata

import pytest

from storage_backends.local import system
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
    real = {name: getattr(system, name) for name in ("stat", "rename", "unlink")}

    def spelled(name, fd):
        names = [os.fsencode(each) for each in os.listdir(fd)] if fd is not None else []
        return next((each for each in names if each == name), None) or next(
            (each for each in names if same(os.fsdecode(each)) == same(os.fsdecode(name))), name
        )

    def stat(name, *, dir_fd=None, follow_symlinks=True):
        return real["stat"](spelled(name, dir_fd), dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    def rename(name, target, *, src_dir_fd=None, dst_dir_fd=None):
        real["rename"](name, spelled(target, dst_dir_fd), src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

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
