"""How states, progress and sizes look: text first, colour beside it. Style sheet: static/jobs/admin.css."""

from __future__ import annotations

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
        '<span class="syncf-progress"><progress max="100" value="{}">{} %</progress> {} %</span>'
        ' <span class="syncf-quiet">{}</span>',
        *(shown, shown, shown, text),
    )


def size(count: int | None) -> str:
    """1.5 MB"""
    return NOTHING if count is None else filesizeformat(count)
