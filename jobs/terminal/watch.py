"""Watching one job until it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TextIO

from jobs.models import Job, Scan
from jobs.states import UNFINISHED_JOB, JobStatus, TaskStatus
from jobs.terminal import is_terminal
from jobs.terminal.live import Picture, one_line
from jobs.terminal.look import look
from jobs.terminal.show import Show

DRAW_SECONDS, LINE_SECONDS = 1.0, 5.0


def watch(job: Job, stream: TextIO, *, is_json: bool = False) -> bool:
    """Show the job until it is completed or killed; whether it completed and all of it arrived.

    On a terminal it is drawn over and over, elsewhere it is one line a look, as `is_json` one JSON object a look.
    KeyboardInterrupt passes through and leaves the terminal as it was."""
    show = Show(stream)
    pause = DRAW_SECONDS if is_terminal(stream) and not is_json else LINE_SECONDS
    try:
        for picture in _pictures(job, pause):
            if is_json:
                stream.write(f"{json.dumps(_facts(job, picture))}\n")
                stream.flush()
            elif job.status in UNFINISHED_JOB:
                show.picture(picture)
    finally:
        show.clear()
    if not is_json:
        stream.write(f"{job.status}: {one_line(picture)}\n")
    return job.status == JobStatus.COMPLETED and not picture.progress.by_status[TaskStatus.FAILED]


def _pictures(job: Job, pause: float) -> Iterator[Picture]:
    """One now, then one every `pause` seconds; the last one is of the ended job."""
    while True:
        job.refresh_from_db()
        scan = Scan.objects.filter(job=job, is_preview=False).first()  # the latest: they are ordered so
        yield look(job, scan)
        if job.status not in UNFINISHED_JOB:
            return
        time.sleep(pause)


def _facts(job: Job, picture: Picture) -> dict[str, object]:
    now = picture.progress
    return {
        "id": str(job.pk),
        "status": job.status,
        "is_scanning": picture.is_scanning,
        "files": now.files,
        "completed": now.by_status[TaskStatus.COMPLETED],
        "failed": now.by_status[TaskStatus.FAILED],
        "bytes_total": now.bytes_total,
        "bytes_done": now.bytes_done,
        "bytes_per_second": round(picture.bytes_per_second),
        "eta_seconds": None if picture.is_scanning or picture.eta.seconds is None else round(picture.eta.seconds),
        "note": picture.note,
    }
