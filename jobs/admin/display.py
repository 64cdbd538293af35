"""How states, progress and sizes look: text first, colour beside it. Style sheet: static/jobs/admin.css."""

from __future__ import annotations

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from jobs.insight import Eta, Freshness, JobInsight
from jobs.states import JobStatus
from jobs.words import ago, human_bytes, human_seconds, human_speed

NOTHING = "–"
_NO_BREAK = "\N{NO-BREAK SPACE}"


def badge(state: str, failed: int = 0) -> SafeString:
    """A state as a coloured word. Green would hide that files of a completed job `failed`."""
    if state == JobStatus.COMPLETED and failed:
        return format_html('<span class="syncf-badge syncf-warning">completed, {} failed</span>', failed)
    return format_html('<span class="syncf-badge syncf-{}">{}</span>', state, state.replace("_", " "))


def code(text: str) -> SafeString | str:
    """A reason's code, which breaks between its words where it must."""
    return format_html_join(mark_safe("_<wbr>"), "{}", ((word,) for word in text.split("_"))) if text else NOTHING


def bar(percent: float, text: str = "") -> SafeString:
    """A progress bar with its figure. `<progress>` needs neither script nor inline style."""
    shown = f"{percent:.1f}".removesuffix(".0")
    return format_html(
        '<span class="syncf-progress"><progress aria-label="Progress" max="100" value="{}">{} %</progress> {} %</span>'
        ' <span class="syncf-quiet">{}</span>',
        *(shown, shown, shown, text),
    )


def size(count: int | None) -> str:
    """1.5 MiB, on one line."""
    return NOTHING if count is None else human_bytes(count).replace(" ", _NO_BREAK)


def speed(bytes_per_second: float) -> str:
    """1.5 MiB/s, on one line; nothing where nothing moves."""
    return human_speed(bytes_per_second).replace(" ", _NO_BREAK) if bytes_per_second >= 1 else NOTHING


def time_left(eta: Eta) -> str:
    """How long a job will still take, as far as that can be told."""
    if eta.is_estimating:
        return "estimating…"
    return NOTHING if eta.seconds is None else f"about {human_seconds(eta.seconds)}"


def freshness(fresh: Freshness) -> str:
    """How far the sink lags behind."""
    if fresh.synced_as_of is None:
        return "not in sync yet"
    if not fresh.unsynced:
        return f"in sync as of {ago(fresh.synced_as_of)}"
    behind = (timezone.now() - fresh.synced_as_of).total_seconds()
    return f"up to {human_seconds(behind)} behind"


def progress_bar(insight: JobInsight) -> SafeString:
    """Of a job; while a scan is under way the total is only what it has seen so far."""
    progress = insight.progress
    return bar(progress.percent, f"{size(progress.bytes_done)} of {size(progress.bytes_total)}")
