"""A job's files as documents: CSV, JSON, and the SHA256SUMS that `sha256sum -c` takes.

Each is a stream of chunks, one page of the catalogue at a time in byte order of path, so memory stays flat however
many files there are. A page is as the database had it when its turn came: of a job that copies meanwhile, a report is
no snapshot. Directories have no bytes and are left out, as in tracking.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from jobs import sql
from jobs.models import JobId, TaskKind
from jobs.sql.rows import ReportRow
from jobs.states import TaskStatus
from jobs.words import iso_moment

PAGE_ROWS = 1000

CSV_COLUMNS = (
    *("file", "kind", "size", "sha256", "status", "reason_code", "reason_text", "slave", "attempts"),
    *("started_at", "completed_at", "gone_at"),
)
#: A spreadsheet takes a cell that begins with one of these for a formula; the apostrophe makes it text, and is itself
#: marked so that taking one off always gives the value.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_chunks(job_id: JobId) -> Iterator[bytes]:
    """RFC 4180, UTF-8, every cell quoted. A text that could be a formula gets an apostrophe in front."""
    yield _csv([CSV_COLUMNS])
    for page in _pages(job_id):
        yield _csv([_cells(row) for row in page])


def json_chunks(job_id: JobId, head: dict[str, Any]) -> Iterator[bytes]:
    """One object: what `head` says, then `files`. A report that was cut off is no valid JSON."""
    yield json.dumps(head)[:-1].encode() + b', "files": ['
    separator = b"\n"
    for page in _pages(job_id):
        if page:
            yield separator + b",\n".join(json.dumps(_facts(row)).encode() for row in page)
            separator = b",\n"
    yield b"\n]}\n"


def checksum_chunks(job_id: JobId) -> Iterator[bytes]:
    """Every completed file, named as it lies below the job's sink: run `sha256sum -c` in that directory.

    Links are left out (their digest is of the target's name), and so is what is not proved to be at the sink."""
    for page in _pages(job_id):
        yield b"".join(checksum_line(row.path, row.checksum) for row in page if row.checksum and _is_proved(row))


def checksum_line(path: bytes, digest: bytes) -> bytes:
    """As GNU coreutils write it: a name with backslash, newline or carriage return escaped, and the line marked so."""
    name = b"./-" if path == b"-" else path  # alone it would mean standard input
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"\\" if escaped != name else b""
    return b"%s%s  %s\n" % (mark, digest.hex().encode(), escaped)


def _is_proved(row: ReportRow) -> bool:
    return row.kind == TaskKind.FILE and row.status == TaskStatus.COMPLETED


def _pages(job_id: JobId) -> Iterator[list[ReportRow]]:
    after: bytes | None = None
    while rows := sql.report_page(str(job_id), after, PAGE_ROWS):
        after = rows[-1].path
        yield [row for row in rows if row.kind != TaskKind.DIRECTORY]


def _facts(row: ReportRow) -> dict[str, Any]:
    """One file; `file_b64` (the very bytes) only beside a name that is shown escaped."""
    exact = {} if row.path == row.path_display.encode() else {"file_b64": base64.b64encode(row.path).decode()}
    return {
        "file": row.path_display,
        **exact,
        "kind": row.kind,
        "size": row.size,
        "sha256": bytes(row.checksum or b"").hex() if row.status == TaskStatus.COMPLETED else "",
        "status": row.status,
        "reason_code": row.reason_code,
        "reason_text": row.reason_text,
        "slave": row.slave_name,
        "attempts": row.attempts,
        "started_at": _written(row.started_at),
        "completed_at": _written(row.completed_at),
        "gone_at": _written(row.gone_at),
    }


def _written(moment: datetime | None) -> str | None:
    """As the rest of the API writes moments."""
    return None if moment is None else iso_moment(moment)


def _cells(row: ReportRow) -> list[str]:
    facts = _facts(row)
    return [_harmless(facts[name]) for name in CSV_COLUMNS]


def _harmless(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _csv(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()
