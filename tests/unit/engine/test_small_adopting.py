"""Small files and links that stand at the sink already: equal ones are adopted, and only what was compared."""

import os
import shutil

import pytest

from storage_backends.base import Kind
from tests.unit.engine.doubles import Around, sha256
from transfers.engine.contracts import Result


def test_equal_files_and_links_are_adopted_with_the_source_s_attributes(bench):
    bench.write("file", b"same").chmod(0o600)
    os.symlink("target", bench.at_source / "link")
    (bench.at_sink / "file").write_bytes(b"same")
    os.symlink("target", bench.at_sink / "link")
    works = [bench.work(1, "file", compare_first=True), bench.work(2, "link", Kind.SYMLINK, compare_first=True)]
    outcomes = bench.run(*works)
    assert [(outcome.adopted, outcome.bytes_copied) for outcome in outcomes] == [(True, 0), (True, 0)]
    for name in ("file", "link"):
        ours, theirs = (bench.at_source / name).lstat(), (bench.at_sink / name).lstat()
        assert (ours.st_mode, ours.st_mtime_ns) == (theirs.st_mode, theirs.st_mtime_ns)
    assert outcomes[0].sha256 == sha256(b"same")
    assert outcomes[0].sink.version == f"{theirs_version(bench, 'file')}"


def test_a_file_replaced_after_it_was_compared_is_not_adopted(bench):
    bench.write("file", b"same")
    (bench.at_sink / "file").write_bytes(b"same")

    def around_sink(storage):
        def read_whole(*args):
            content = storage.read_whole(*args)
            (bench.at_sink / "other").write_bytes(b"EVIL")
            (bench.at_sink / "other").replace(bench.at_sink / "file")
            return content

        return Around(storage, read_whole=read_whole)

    bench.around_sink = around_sink
    (outcome,) = bench.run(bench.work(1, "file", compare_first=True))
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, False, 4)
    assert (bench.at_sink / "file").read_bytes() == b"same"


def test_a_file_with_other_names_is_copied_rather_than_given_attributes(bench):
    """They may lie outside the root, or be the very source of another file."""
    first, second = bench.write("first", b"same"), bench.write("second", b"same")
    first.chmod(0o600)
    second.chmod(0o644)
    os.link(first, bench.at_sink / "second")
    before = first.stat()
    (outcome,) = bench.run(bench.work(1, "second", compare_first=True))
    assert (outcome.result, outcome.adopted) == (Result.COMPLETED, False)
    assert (bench.at_sink / "second").stat().st_mode & 0o777 == 0o644
    assert (first.stat().st_mode, first.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_a_file_with_other_names_is_adopted_when_nothing_has_to_be_changed(bench):
    path = bench.write("file", b"same")
    os.link(path, bench.at_sink / "file")
    (outcome,) = bench.run(bench.work(1, "file", compare_first=True))
    assert (outcome.result, outcome.adopted) == (Result.COMPLETED, True)


def theirs_version(bench, name):
    status = (bench.at_sink / name).lstat()
    return f"{status.st_ino}.{status.st_ctime_ns}"


@pytest.mark.parametrize("there", [b"diff", b"longer", None, "link", "fifo"])
def test_something_else_at_the_sink_is_overwritten(bench, there):
    bench.write("file", b"same")
    path = bench.at_sink / "file"
    if there == "link":
        os.symlink("elsewhere", path)
    elif there == "fifo":
        os.mkfifo(path)
    elif there is not None:
        path.write_bytes(there)
    (outcome,) = bench.run(bench.work(1, "file", compare_first=True))
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, False, 4)
    assert path.read_bytes() == b"same" and not path.is_symlink()


def test_a_file_whose_folder_is_moved_away_while_it_is_compared_is_not_adopted(bench):
    """The sink keeps the folder of the last small file open for a moment, so it could be read where it went."""
    (bench.at_sink / "d").mkdir()
    shutil.copy2(bench.write("d/f", b"same"), bench.at_sink / "d")  # so that no attribute has to be given

    def around_sink(storage):
        def get_file_info(path):
            if not (bench.at_sink / "moved").exists():
                storage.read_whole(path, 9)
                (bench.at_sink / "d").rename(bench.at_sink / "moved")
                (bench.at_sink / "d").mkdir()
                (bench.at_sink / "d" / "f").write_bytes(b"else")
            return storage.get_file_info(path)

        return Around(storage, get_file_info=get_file_info)

    bench.around_sink = around_sink
    (outcome,) = bench.run(bench.work(1, "d/f", compare_first=True))
    assert (outcome.result, outcome.adopted) == (Result.COMPLETED, False)
    assert (bench.at_sink / "d" / "f").read_bytes() == b"same"
