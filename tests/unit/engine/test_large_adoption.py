"""One big file that is at the sink already: equal content is adopted, other content is overwritten."""

import pytest

from tests.unit.engine.doubles import BIG, Around, pattern, sha256
from transfers.engine.contracts import Result


def replace_before_attributes(bench, name, data):
    """Somebody replaces the sink's file `name` after it was compared and before it is adopted."""

    def around_sink(storage):
        def set_attributes(*args):
            (bench.at_sink / "other").write_bytes(data)
            (bench.at_sink / "other").replace(bench.at_sink / name)
            return storage.set_attributes(*args)

        return Around(storage, set_attributes=set_attributes)

    bench.around_sink = around_sink


def test_equal_content_at_the_sink_is_adopted_with_the_source_s_attributes(bench, big):
    (bench.at_source / "big").chmod(0o600)
    (bench.at_sink / "big").write_bytes(pattern(BIG))
    inode = (bench.at_sink / "big").stat().st_ino
    (outcome,) = bench.run(big._replace(compare_first=True))
    copy = (bench.at_sink / "big").stat()
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, True, 0)
    assert outcome.sha256 == sha256(pattern(BIG))
    assert (copy.st_ino, copy.st_mode & 0o777) == (inode, 0o600)
    assert copy.st_mtime_ns == (bench.at_source / "big").stat().st_mtime_ns


def test_content_replaced_after_it_was_compared_is_not_adopted(bench, big):
    (bench.at_sink / "big").write_bytes(pattern(BIG))
    replace_before_attributes(bench, "big", b"?" * BIG)
    (outcome,) = bench.run(big._replace(compare_first=True))
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, False, BIG)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


@pytest.mark.parametrize("other", [pattern(BIG)[:-1] + b"?", pattern(BIG) + b"?", b""])
def test_other_content_at_the_sink_is_overwritten(bench, big, other):
    (bench.at_sink / "big").write_bytes(other)
    (outcome,) = bench.run(big._replace(compare_first=True))
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, False, BIG)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)
