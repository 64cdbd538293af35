"""Numbers as words, and texts cut to columns as a terminal counts them."""

import pytest

from jobs.terminal.columns import cut, cut_front, fitting, pad, width
from jobs.terminal.table import table
from jobs.words import human_bytes, human_percent, human_seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 40, "1.0 TiB"), (1 << 60, "1024.0 PiB")],
)
def test_bytes(count, text):
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3661, "1 h 1 min"),
        (2 * 86400 + 3600, "2 d 1 h"),
        (1e300, "more than 100 days"),
    ],
)
def test_seconds(seconds, text):
    assert human_seconds(seconds) == text


def test_percent_is_rounded_down_so_that_a_hundred_means_done():
    assert [human_percent(share) for share in (0, 0.999999, 1)] == ["0 %", "99 %", "100 %"]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("写真", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_what_a_terminal_takes(text, columns):
    assert width(text) == columns


@pytest.mark.parametrize("columns", range(-1, 12))
@pytest.mark.parametrize("text", ["plain text", "写真ファイル", "e\u0301e\u0301e\u0301"])
def test_what_is_cut_fits_and_says_so(text, columns):
    for shown in (cut(text, columns), cut_front(text, columns)):
        assert width(shown) <= max(columns, 0)
        assert shown == text or not shown or "…" in shown


def test_the_front_of_a_path_is_cut_and_its_name_stays():
    assert cut_front("directory/name", 6) == "…/name"
    assert cut("directory/name", 6) == "direc…"


def test_what_does_not_fit_is_left_out_from_the_end():
    assert fitting(["first", "second", "3"], 80) == "first  second  3"
    assert fitting(["first", "second", "3"], 8) == "first  3"
    assert fitting(["first", "second"], 3) == "fi…"


def test_a_table_lines_up_whatever_the_width_of_its_characters():
    lines = table(("name", "size"), [("写真", "1"), ("a", "22")]).splitlines()
    assert lines == ["name  size", "写真  1", "a     22"]
    assert pad("写", 4) == "写  "
