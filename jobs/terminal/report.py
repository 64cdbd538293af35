"""Jobs as tables and texts, and as the JSON that the API gives."""

from __future__ import annotations

import json
from typing import Any

from jobs.durations import format_interval
from jobs.insight import JobInsight, failures_by_reason, job_insight, look
from jobs.insight.attention import processes_needed
from jobs.models import Job, Scan
from jobs.progress import overviews
from jobs.states import TaskStatus
from jobs.terminal.columns import shown
from jobs.terminal.look import hindrance, title
from jobs.terminal.table import table
from jobs.words import ago, human_bytes, human_percent, human_speed

_EVENTS = 10
_NOTHING = "–"


def jobs_table(jobs: list[Job]) -> str:
    """One row per job."""
    if not jobs:
        return "No jobs."
    by_id = look(jobs)
    head = ("ID", "STATE", "PHASE", "DONE", "FILES", "BYTES", "FAILED", "LAST SCAN", "JOB")
    return table(head, [_row(job, by_id[str(job.pk)]) for job in jobs])


def _row(job: Job, insight: JobInsight) -> list[str]:
    now = insight.progress
    return [
        str(job.pk)[:8],
        f"{job.status}, parked" if job.parked_code else job.status,
        insight.phase.value,
        human_percent(now.fraction),
        f"{now.files:,}",
        human_bytes(now.bytes_total),
        f"{now.by_status[TaskStatus.FAILED]:,}",
        _scan_words(insight.last_scan),
        title(job),
    ]


def _scan_words(scan: Scan | None) -> str:
    if scan is None:
        return _NOTHING
    return ago(scan.finished_at) if scan.finished_at and not scan.error_code else scan.error_code or scan.phase


def job_text(job: Job) -> str:
    """Everything about one job that fits a screen."""
    lines = [f"{label:11}{words}" for label, words in _facts(job, job_insight(job)).items() if words]
    lines += _failures(job)
    events = list(job.events.all()[:_EVENTS])
    if events:
        rows = [(f"{e.at:%F %T}", shown(e.actor), e.action, f"{e.count:,}", shown(e.text)) for e in events]
        lines += ["", table(("WHEN (UTC)", "WHO", "WHAT", "COUNT", "TEXT"), rows)]
    return "\n".join(lines)


def _facts(job: Job, insight: JobInsight) -> dict[str, str]:
    now = insight.progress
    states = ", ".join(f"{count:,} {status}" for status, count in now.by_status.items() if count)
    return {
        "id": str(job.pk),
        "name": shown(job.name),
        "state": job.status,
        "held up": hindrance(job) or _lack_of_processes(job),
        "source": shown(f"{job.source_type}:{job.source_path}"),
        "sink": shown(f"{job.sink_type}:{job.sink_path}"),
        "interval": format_interval(job.interval) or "once",
        "options": ", ".join(_options(job)),
        "files": states or "none yet",
        "bytes": f"{human_bytes(now.bytes_done)} of {human_bytes(now.bytes_total)}, {human_percent(now.fraction)}",
        "phase": insight.phase.value,
        "speed": human_speed(insight.speed.bytes_per_second) if insight.speed.bytes_per_second else "",
        "last scan": _scan_words(insight.last_scan),
    }


def _lack_of_processes(job: Job) -> str:
    """Who is not there to work on it."""
    lacks = processes_needed(Job.objects.filter(pk=job.pk))
    return " ".join(f"{lack.text}. {lack.hint}" for lack in lacks)


def _options(job: Job) -> list[str]:
    words = [f"verify {job.verify}", f"at most {job.max_attempts} attempts"]
    if job.bytes_per_second:
        words.append(human_speed(job.bytes_per_second))
    for name in ("exclude", "include"):
        if rules := getattr(job, name):
            words.append(f"{name} {shown(' '.join(rules.splitlines()))}")
    return words


def _failures(job: Job) -> list[str]:
    failures = failures_by_reason([job])
    rows = [(f.reason_code, f"{f.tasks:,}{'+' if f.is_more else ''}", f.reason.hint) for f in failures]
    return ["", table(("FAILED BECAUSE OF", "FILES", "WHAT TO DO"), rows)] if rows else []


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────


def jobs_json(jobs: list[Job]) -> str:
    """An array of jobs as GET /api/jobs gives them."""
    from jobs.api.answers import JobOut  # the API's modules take longer to load than all of the rest

    return _encoded(JobOut(jobs, many=True, context={"overviews": overviews([job.pk for job in jobs])}).data)


def job_json(job: Job) -> str:
    """`job` and `summary` as GET /api/jobs/{id}/tracking gives them, and the last `events`."""
    from jobs.api.answers import EventOut, JobOut
    from jobs.api.tracking import SummaryOut

    found = overviews([job.pk])
    events = EventOut(job.events.all()[:_EVENTS], many=True).data
    summary = SummaryOut(found[str(job.pk)].progress).data
    return _encoded({"job": JobOut(job, context={"overviews": found}).data, "summary": summary, "events": events})


def _encoded(data: Any) -> str:
    from rest_framework.utils.encoders import JSONEncoder

    return json.dumps(data, cls=JSONEncoder)
