"""How states, progress and sizes look: text first, colour beside it. Style sheet: static/jobs/admin.css."""

from __future__ import annotations

from datetime import datetime

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.insight import Eta, Freshness, JobInsight
from jobs.states import JobStatus

NOTHING = "–"


def badge(state: str, failed: int = 0) -> SafeString:
    """A state as a coloured word. Green would hide that files of a completed job `failed`."""
    if state == JobStatus.COMPLETED and failed:
        return format_html('<span class="syncf-badge syncf-warning">completed, {} failed</span>', failed)
    return format_html('<span class="syncf-badge syncf-{}">{}</span>', state, state.replace("_", " "))


def bar(percent: float, text: str = "") -> SafeString:
    """A progress bar with its figure. `<progress>` needs neither script nor inline style."""
    shown = f"{percent:.1f}".removesuffix(".0")
    return format_html(
        '<span class="syncf-progress"><progress aria-label="Progress" max="100" value="{}">{} %</progress> {} %</span>'
        ' <span class="syncf-quiet">{}</span>',
        *(shown, shown, shown, text),
    )


def size(count: int | None) -> str:
    """1.5 MB"""
    return NOTHING if count is None else filesizeformat(count)


def speed(bytes_per_second: float) -> str:
    """1.5 MB/s; nothing where nothing moves."""
    return f"{filesizeformat(bytes_per_second)}/s" if bytes_per_second >= 1 else NOTHING


def duration(seconds: float) -> str:
    """Two units: 45 s, 3 min 20 s, 1 h 12 min, 5 d 3 h."""
    whole = round(seconds)
    for length, unit, below, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= length:
            rest = whole % length // below
            return f"{whole // length} {unit} {rest} {smaller}" if rest else f"{whole // length} {unit}"
    return f"{whole} s"


def ago(moment: datetime) -> str:
    """3 min 20 s ago"""
    return f"{duration(max(0.0, (timezone.now() - moment).total_seconds()))} ago"


def time_left(eta: Eta) -> str:
    """How long a job will still take, as far as that can be told."""
    if eta.is_estimating:
        return "estimating…"
    return NOTHING if eta.seconds is None else f"about {duration(eta.seconds)}"


def freshness(fresh: Freshness) -> str:
    """How far the sink lags behind."""
    if fresh.synced_as_of is None:
        return "not in sync yet"
    if not fresh.unsynced:
        return f"in sync as of {ago(fresh.synced_as_of)}"
    behind = (timezone.now() - fresh.synced_as_of).total_seconds()
    return f"up to {duration(behind)} behind"


def progress_bar(insight: JobInsight) -> SafeString:
    """Of a job; while a scan is under way the total is only what it has seen so far."""
    progress = insight.progress
    return bar(progress.percent, f"{size(progress.bytes_done)} of {size(progress.bytes_total)}")
