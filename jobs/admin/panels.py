"""The live parts of the pages: each a small template, shown when the page is made and sent anew while it is looked at.

No part holds a token: the forms around them do, so that a part changes only when what it says does.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from jobs import insight, selectors
from jobs.admin.display import badge
from jobs.admin.plot import throughput_plot
from jobs.admin.verbs import START, VERBS, may
from jobs.drafts import is_draft
from jobs.models import Job
from jobs.states import UNFINISHED_JOB, JobStatus, TaskStatus

Panels = dict[str, SafeString]
RECENT_SCANS, RECENT_EVENTS, FIRST_FINDINGS, LISTED_JOBS = 20, 10, 15, 50


def _rendered(template: str, **context: Any) -> SafeString:
    return SafeString(render_to_string(f"admin/jobs/live/{template}.html", context))


# ── one job ───────────────────────────────────────────────────────────────────────────────────────────────────


def job_panels(request: HttpRequest, job: Job) -> Panels:
    """What a job's page shows above the form."""
    found = insight.job_insight(job)
    verbs = [verb for verb in VERBS.values() if job.status in verb.possible_in and may(request, verb)]
    is_new = is_draft(job)
    if is_new:
        verbs = [START if verb.name == "resume" else verb for verb in verbs]
    panels = {
        "verbs": _rendered("verbs", job=job, verbs=verbs),
        "head": _rendered("head", job=job, insight=found, state=state_badge(job, found)),
        "figures": _rendered("figures", job=job, insight=found, counts=_counts(found)),
        "flight": _rendered("flight", files=insight.in_flight(job)),
        "plot": throughput_plot(insight.throughput_history([job.pk])),
        "scans": _rendered("scans", scans=list(job.scans.all()[:RECENT_SCANS])),
        "failures": _failures(request, job, found),
        "events": _rendered("events", job=job, events=list(job.events.all()[:RECENT_EVENTS])),
    }
    if is_new:
        panels["draft"] = draft_panel(job)
    return panels


def state_badge(job: Job, found: insight.JobInsight) -> SafeString:
    """The job's state; green only if nothing failed."""
    return badge(job.status, found.progress.by_status[TaskStatus.FAILED])


def _counts(found: insight.JobInsight) -> list[tuple[str, int]]:
    return [(status, count) for status, count in found.progress.by_status.items() if count]


def _failures(request: HttpRequest, job: Job, found: insight.JobInsight) -> SafeString:
    """Of a job without failed files the index need not be asked."""
    groups = insight.failures_by_reason([job]) if found.progress.unsynced else []
    return _rendered("failures", job=job, groups=groups, may_retry=may(request, VERBS["retry"]))


def draft_panel(job: Job) -> SafeString:
    """What a job that was never started would do."""
    scan = job.scans.filter(is_preview=True).first()
    findings = list(scan.findings.all()[:FIRST_FINDINGS]) if scan else []
    return _rendered("draft", job=job, scan=scan, findings=findings)


# ── the overview ──────────────────────────────────────────────────────────────────────────────────────────────


def overview_panels(request: HttpRequest) -> Panels:
    """What the first page shows."""
    jobs = selectors.visible_jobs(request.user)
    sees_all = request.user.has_perm("jobs.view_all_jobs")
    states = dict(jobs.order_by().values_list("status").annotate(count=Count("pk")))
    ids = None if sees_all else list(jobs.values_list("pk", flat=True))
    history = insight.throughput_history(ids)
    return {
        "tiles": _rendered("tiles", states=_in_order(states), slaves=_slaves(), now=_now(ids)),
        "attention": _rendered("attention", items=_attention(request, jobs)),
        "plot": throughput_plot(history),
        "jobs": _rendered("jobs", rows=_unfinished(jobs), limit=LISTED_JOBS),
    }


def _attention(request: HttpRequest, jobs: QuerySet[Job]) -> list[insight.Attention]:
    """Slaves are named only to who may see them."""
    sees_slaves = request.user.has_perm("jobs.view_slave")
    return [item for item in insight.attention(jobs) if sees_slaves or item.slave is None]


def _in_order(states: dict[str, int]) -> list[tuple[str, int]]:
    return [(status.value, states.get(status, 0)) for status in JobStatus]


def _slaves() -> dict[str, Any]:
    return selectors.live_slaves().aggregate(alive=Count("pk"), workers=Coalesce(Sum("concurrency"), 0))


def _now(ids: list[Any] | None) -> insight.Speed:
    found = insight.speeds(ids).values()
    return insight.Speed(sum(speed[0] for speed in found), sum(speed[1] for speed in found))


def _unfinished(jobs: Any) -> list[tuple[Job, insight.JobInsight, SafeString]]:
    """Running and paused jobs, the stalest first."""
    shown = list(jobs.filter(status__in=UNFINISHED_JOB)[:LISTED_JOBS])
    found = insight.look(shown)
    rows = [(job, found[str(job.pk)], state_badge(job, found[str(job.pk)])) for job in shown]
    return sorted(rows, key=lambda row: -(row[1].freshness.lag_seconds or 0.0))


