"""The picture of a job under way, at any width."""

import pytest

from jobs.insight import Eta, InFlight
from jobs.progress import progress_from
from jobs.terminal.columns import width
from jobs.terminal.live import MOST_NAMED, Picture, block, one_line
from jobs.terminal.screen import Size

TOTALS = {"file.completed": 3, "file.completed.bytes": 1 << 20, "file.pending": 2, "file.pending.bytes": 1 << 20}


def file(name, copied, size):
    return InFlight(1, name, "slave-001", size, copied, 1, None, False)


def picture(totals=TOTALS, *, under_way=0, **fields):
    values = {"title": "nightly", "progress": progress_from(totals, under_way), "is_scanning": False, "files_seen": 9}
    values |= {"bytes_per_second": 1024.0, "eta": Eta(61.0), "in_flight": [file("big.iso", 1, 4)], "in_hand": 1}
    return Picture(**values | fields)


def test_a_line_says_files_bytes_speed_and_what_is_left():
    assert one_line(picture()) == "3/5 files  1.0 MiB/2.0 MiB  50 %  1.0 KiB/s  ETA 1 min 1 s"


def test_while_the_scan_runs_nothing_is_foretold():
    shown = one_line(picture(is_scanning=True))
    assert "ETA estimating…" in shown and "scanning: 9 seen" in shown and "%" not in shown
    assert not any("#" in line or "%" in line for line in block(picture(is_scanning=True), Size(80, 24))[:2])


def test_a_hundred_percent_is_not_said_while_a_byte_is_missing():
    almost = picture(under_way=(1 << 20) - 1)
    assert "99 %" in one_line(almost)
    assert "-]" in "\n".join(block(almost, Size(200, 24)))


def test_an_unknown_end_is_a_dash_and_failures_come_early():
    shown = one_line(picture({**TOTALS, "file.failed": 1}, eta=Eta()))
    assert shown.startswith("4/6 files  1 failed") and shown.endswith("ETA –")


def test_directories_are_told_where_nothing_else_is_left():
    left = {"directory.pending": 99_000, "directory.in_progress": 500, "symlink.pending": 500}
    assert one_line(picture({**TOTALS, **left})) == one_line(picture())
    assert one_line(picture(left)).endswith("100,000 links and directories left")
    assert "left" not in one_line(picture(left, is_scanning=True))


def test_what_holds_it_up_ends_the_line():
    assert one_line(picture(note="parked: full")).endswith("ETA 1 min 1 s  parked: full")


@pytest.mark.parametrize("columns", [1, 2, 8, 12, 20, 33, 50, 79, 80, 200])
@pytest.mark.parametrize("rows", [1, 5, 24])
def test_every_line_fits(columns, rows):
    files = [file("写真/" * 30 + "end", 1, 2)] * 30
    lines = block(picture(in_flight=files, in_hand=2000, note="parked: " + "x" * 300), Size(columns, rows))
    assert max(map(width, lines)) <= columns - 1
    assert len([line for line in lines if line.endswith("end")]) <= MOST_NAMED


def test_files_in_hand_beyond_the_named_ones_are_counted():
    files = [file(f"file {number}", 0, 5) for number in range(9)]
    lines = block(picture(in_flight=files, in_hand=2000), Size(80, 24))
    assert lines[-1] == f" and {2000 - MOST_NAMED:,} more tasks in hand"
