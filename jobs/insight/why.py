"""Why a file is where it is: what was seen of it, what was decided, and what became of that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from jobs.models import Task
from jobs.reasons import ENVIRONMENTAL, REASONS
from jobs.states import TaskStatus

EVENTS = 20


class Fact(NamedTuple):
    """One line."""

    label: str
    value: str
    is_code: bool = False
    """A digest or the like, to be compared letter by letter."""


class Chapter(NamedTuple):
    """One question and its answer."""

    title: str
    facts: list[Fact]


def why(task: Task) -> list[Chapter]:
    """The whole story of one task in words and figures; asks for its job, checkpoints, upload and events."""
    chapters = (_decision, _source, _sink, _attempts, _checkpoints, _proof, _events)
    return [chapter(task) for chapter in chapters]


def _decision(task: Task) -> Chapter:
    facts = [Fact("Decision", decision(task))]
    if task.reason_code:
        reason = REASONS.get(task.reason_code)
        facts.append(Fact("Reason", f"{task.reason_code}: {reason.meaning if reason else 'not known to this version'}"))
        facts += [Fact("In full", task.reason_text)] if task.reason_text else []
        facts += [Fact("What to do", reason.hint)] if reason else []
    return Chapter("Why", facts)


def decision(task: Task) -> str:
    """One sentence: what is done with the file, and for what cause."""
    match task.status:
        case TaskStatus.PENDING | TaskStatus.RETRYING:
            return _waiting(task)
        case TaskStatus.IN_PROGRESS:
            return f"{task.slave_name} has it in hand."
        case TaskStatus.COMPLETED:
            return "The sink holds it: what was read back there is what the source held."
        case TaskStatus.FAILED if task.reason_code in ENVIRONMENTAL:
            return "Given up for now. The next scan tries it again by itself; so does a retry."
        case TaskStatus.FAILED:
            return "Given up until it changes at the source or somebody retries it."
        case TaskStatus.SKIPPED:
            return "Left out, for the reason below."
        case _:
            return "Cancelled: its job was killed before it was copied."


def _waiting(task: Task) -> str:
    again = "It waits for its next try" if task.status == TaskStatus.RETRYING else "It waits for a slave"
    if task.compare_first:
        return f"{again}: both sides are compared first, and it is sent only if they differ."
    if task.sink_version or task.sink_size is not None:
        return f"{again}: the source or the sink no longer looks as when it was last copied."
    return f"{again}: it was never copied."


def _source(task: Task) -> Chapter:
    facts = [
        Fact("Kind", task.kind),
        Fact("Size", _counted(task.size, "byte")),
        Fact("Modified", _from_ns(task.source_mtime_ns)),
        Fact("Version", task.source_version or "none", is_code=True),
    ]
    if task.gone_at:
        facts.append(Fact("Gone", f"missing at the source since {_at(task.gone_at)}; the sink's copy stays"))
    return Chapter("Seen at the source", facts)


def _sink(task: Task) -> Chapter:
    if task.sink_size is None:
        return Chapter("Left at the sink", [Fact("Nothing", "it was not copied yet")])
    facts = [
        Fact("Size", _counted(task.sink_size, "byte")),
        Fact("Modified", _from_ns(task.sink_mtime_ns)),
        Fact("Version", task.sink_version or "none", is_code=True),
    ]
    return Chapter("Left at the sink", facts)


def _attempts(task: Task) -> Chapter:
    facts = [
        Fact("Attempts", f"{task.attempts} of {task.job.max_attempts} at this version of it"),
        Fact("Claimed", f"{_counted(task.epoch, 'time')} in all (its epoch)"),
        Fact("Last by", task.slave_name or "nobody"),
        Fact("Began", _at(task.started_at)),
        Fact("Ended", _at(task.completed_at)),
    ]
    if task.not_before:
        facts.append(Fact("Not before", _at(task.not_before)))
    return Chapter("Attempts", facts)


def _checkpoints(task: Task) -> Chapter:
    points = [
        Fact(_counted(point.offset, "byte"), f"{bytes(point.sha256).hex()}  {_at(point.created_at)}", is_code=True)
        for point in task.checkpoints.order_by("offset")
    ]
    upload = getattr(task, "upload", None)
    if upload is not None and upload.intent_sha256:
        points.append(Fact("About to be published", bytes(upload.intent_sha256).hex(), is_code=True))
    none = "none: the upload has begun" if upload is not None else "none: nothing is half done"
    return Chapter("Checkpoints", points or [Fact("Checkpoints", none)])


def _proof(task: Task) -> Chapter:
    if task.status != TaskStatus.COMPLETED or not task.checksum:
        return Chapter("Proof", [Fact("SHA-256", "not proved yet")])
    facts = [
        Fact("SHA-256", bytes(task.checksum).hex(), is_code=True),
        Fact("How", task.job.get_verify_display()),
        Fact("Copied and verified by", f"{task.slave_name or 'a slave'}, {_at(task.completed_at)}"),
    ]
    return Chapter("Proof", facts)


def _events(task: Task) -> Chapter:
    facts = [
        Fact(_at(event.at), f"{event.action} by {event.actor} {event.reason_code} {event.text}".strip())
        for event in task.events.all()[:EVENTS]
    ]
    return Chapter("Errors and retries", facts or [Fact("None", "nothing went wrong with it in the last 90 days")])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "–"


def _from_ns(mtime_ns: int | None) -> str:
    if mtime_ns is None:
        return "not known"
    try:
        return _at(datetime.fromtimestamp(mtime_ns / 1e9, UTC))
    except (OverflowError, ValueError, OSError):
        return f"{mtime_ns} ns since 1970"
