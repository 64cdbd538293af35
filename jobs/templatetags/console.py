"""What the console's templates need beside Django's own: figures as people read them, and the overview."""

from __future__ import annotations

from django import template
from django.template.context import Context

from jobs.admin import display
from jobs.admin.panels import Panels, overview_panels

register = template.Library()

for _filter in (
    *(display.badge, display.bar, display.freshness, display.progress_bar, display.size, display.speed),
    display.time_left,
):
    register.filter(_filter.__name__, _filter)


@register.filter
def counted(number: int) -> str:
    """1,234,567"""
    return f"{number:,}"


@register.simple_tag(takes_context=True)
def overview(context: Context) -> Panels:
    """The parts of the first page; none for who may not see jobs."""
    request = context["request"]
    return overview_panels(request) if request.user.has_perm("jobs.view_job") else {}
