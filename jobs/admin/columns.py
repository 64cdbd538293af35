"""What the list of jobs says of each, kept up to date while it is looked at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil

from jobs import insight
from jobs.admin import display
from jobs.admin.base import PlainChangeList
from jobs.admin.display import NOTHING
from jobs.admin.panels import state_badge
from jobs.durations import format_interval
from jobs.models import Job
from jobs.states import JobStatus, TaskStatus

#: Columns that are sent anew while the list is looked at.
LIVE = ("state", "progress", "speed", "fresh", "failed")


class JobChangeList(PlainChangeList):
    """Looks at the whole page of jobs at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Every row carries `insight`."""
        super().get_results(request)
        self.result_list = with_insight(list(self.result_list))


def with_insight(jobs: list[Any]) -> list[Any]:
    """The same jobs, each with its `insight`."""
    found = insight.look(jobs)
    for job in jobs:
        job.insight = found[str(job.pk)]
    return jobs


def live_cells(jobs: list[Any]) -> dict[str, SafeString]:
    """`job id.column` → what stands there."""
    columns = JobColumns()
    return {f"{job.pk}.{name}": getattr(columns, f"now_{name}")(job) for job in with_insight(jobs) for name in LIVE}


def _live(job: Job, name: str, content: SafeString | str) -> SafeString:
    return format_html('<span data-live="{}.{}">{}</span>', job.pk, name, content)


class JobColumns:
    """Mixed into the jobs' admin."""

    @admin.display(description="Job")
    def title(self, job: Job) -> SafeString:
        """Its name, and what it syncs."""
        route = f"{job.source_type}:{job.source_path} → {job.sink_type}:{job.sink_path}"
        return format_html('{}<br><span class="syncf-quiet">{}</span>', job.name, route) if job.name else escape(route)

    @admin.display(description="State")
    def state(self, job: Job) -> SafeString:
        """As a badge, with the phase, and why nothing is copied although the job is running."""
        return _live(job, "state", self.now_state(job))

    @admin.display(description="Progress")
    def progress(self, job: Job) -> SafeString:
        """By bytes."""
        return _live(job, "progress", self.now_progress(job))

    @admin.display(description="Speed")
    def speed(self, job: Job) -> SafeString:
        """And how long it will take."""
        return _live(job, "speed", self.now_speed(job))

    @admin.display(description="Freshness")
    def fresh(self, job: Job) -> SafeString:
        """How far the sink lags behind."""
        return _live(job, "fresh", self.now_fresh(job))

    @admin.display(description="Failed")
    def failed(self, job: Job) -> SafeString:
        """How many files, linked to them."""
        return _live(job, "failed", self.now_failed(job))

    def now_state(self, job: Any) -> SafeString:
        """Content of the column."""
        shown = state_badge(job, job.insight)
        if job.parked_code:
            why = (job.parked_code, job.parked_text)
            return format_html('{} <span class="syncf-parked">{}: {}</span>', shown, *why)
        if job.insight.phase is insight.Phase.IDLE:
            return shown
        return format_html('{}<br><span class="syncf-quiet">{}</span>', shown, job.insight.phase.value)

    def now_progress(self, job: Any) -> SafeString:
        """Content of the column."""
        return display.progress_bar(job.insight)

    def now_speed(self, job: Any) -> SafeString:
        """Content of the column."""
        fast, left = display.speed(job.insight.speed.bytes_per_second), display.time_left(job.insight.eta)
        return format_html('{}<br><span class="syncf-quiet">{}</span>', fast, left) if left != NOTHING else escape(fast)

    def now_fresh(self, job: Any) -> SafeString:
        """Content of the column."""
        return escape(display.freshness(job.insight.freshness))

    def now_failed(self, job: Any) -> SafeString:
        """Content of the column."""
        count = job.insight.progress.by_status[TaskStatus.FAILED]
        if not count:
            return escape(NOTHING)
        url = reverse("admin:jobs_task_changelist")
        return format_html('<a href="{}?job__exact={}&amp;status__exact=failed">{}</a>', url, job.pk, count)

    @admin.display(description="Interval")
    def every(self, job: Job) -> str:
        """As Go writes it."""
        return format_interval(job.interval) or "once"

    @admin.display(description="Next scan")
    def next_scan(self, job: Job) -> str:
        """How long until then; nothing where none will come."""
        if job.next_scan_at is None or job.status != JobStatus.RUNNING:
            return NOTHING
        return "due" if job.next_scan_at <= timezone.now() else f"in {timeuntil(job.next_scan_at)}"
