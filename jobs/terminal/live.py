"""What is shown of a job under way: a block of lines on a terminal, one line elsewhere. Says, and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jobs.insight import Eta, InFlight
from jobs.progress import Progress
from jobs.states import TaskStatus
from jobs.terminal.columns import cut, cut_front, fitting, pad
from jobs.terminal.screen import Size
from jobs.words import human_bytes, human_percent, human_seconds, human_speed

#: How many files under way are named at most, and the rows the other lines need.
MOST_NAMED, OTHER_ROWS = 5, 6
_BAR_COLUMNS = 40


class Picture(NamedTuple):
    """A job at one moment."""

    title: str
    progress: Progress
    is_scanning: bool
    """Its scan has not ended: nobody knows yet how much there is."""
    files_seen: int
    bytes_per_second: float
    eta: Eta
    in_flight: Sequence[InFlight]
    in_hand: int
    """Tasks that slaves have taken, those in flight among them."""
    note: str = ""
    """What holds the job up, or what those files met that wait for another try while none is under way."""


def one_line(picture: Picture) -> str:
    """For a log: the same facts, the first ones first, and what holds the job up."""
    return "  ".join([*_facts(picture), *([picture.note] if picture.note else [])])


def block(picture: Picture, size: Size) -> list[str]:
    """For a terminal of that size."""
    columns = size.columns - 1
    lines = [picture.title, fitting(_facts(picture), columns)]
    if picture.note:
        lines.append(picture.note)
    if not picture.is_scanning:
        lines.append(_bar(picture.progress.fraction, columns))
    named = picture.in_flight[: max(0, min(MOST_NAMED, size.rows - OTHER_ROWS))]
    lines += [_file(file, columns) for file in named]
    if more := picture.in_hand - len(named):
        lines.append(f"{' and' if named else ''} {more:,} {'more ' if named else ''}tasks in hand")
    return [cut(line, columns) for line in lines]


def _facts(picture: Picture) -> list[str]:
    """The most important first: what does not fit on a narrow terminal is left out from the end."""
    now = picture.progress
    done = now.by_status[TaskStatus.COMPLETED] + now.by_status[TaskStatus.FAILED]
    facts = [
        f"{done:,}/{now.files:,} files",
        f"{human_bytes(now.bytes_done)}/{human_bytes(now.bytes_total)}",
        human_speed(picture.bytes_per_second),
        f"ETA {_eta(picture)}",
    ]
    if picture.is_scanning:
        facts.append(f"scanning: {picture.files_seen:,} seen")
    else:
        facts.insert(2, human_percent(now.fraction))
        if now.paths_left and not now.files_left:
            facts.append(f"{now.paths_left:,} links and directories left")
    if failed := now.by_status[TaskStatus.FAILED]:
        facts.insert(1, f"{failed:,} failed")
    return facts


def _eta(picture: Picture) -> str:
    if picture.is_scanning or picture.eta.is_estimating:
        return "estimating…"
    return "–" if picture.eta.seconds is None else human_seconds(picture.eta.seconds)


def _bar(fraction: float, columns: int) -> str:
    inner = max(1, min(_BAR_COLUMNS, columns - 2))
    filled = int(inner * fraction)
    return f"[{'#' * filled}{'-' * (inner - filled)}]"


def _file(file: InFlight, columns: int) -> str:
    share = human_percent(file.percent / 100) if file.copied_bytes else ""
    head = f" {share:>5} "
    if columns >= 50:
        sizes = [human_bytes(file.copied_bytes)] if file.copied_bytes else []
        head += pad(f" {'/'.join([*sizes, human_bytes(file.size)])}", 24)
    return head + cut_front(file.path_display, columns - len(head))
