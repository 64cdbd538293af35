"""What needs somebody's attention in the jobs themselves, as the console tells it."""

from __future__ import annotations

from collections.abc import Iterator

from django.template.defaultfilters import pluralize

from jobs.insight.attention import Kind, attention
from jobs.models import Job
from transfers.management.doctor.findings import Finding, ok, warning

#: Looked at by `processes`.
ELSEWHERE = frozenset({Kind.NO_SCHEDULER, Kind.NO_SLAVE})


def check_jobs() -> Iterator[Finding]:
    """Parked jobs, failed files and scans, slaves that died. Trouble of single files is no trouble of the installation:
    warnings."""
    is_quiet = True
    for item in attention(Job.objects.all()):
        if item.kind in ELSEWHERE:
            continue
        is_quiet = False
        files = f" ({item.tasks:,} file{pluralize(item.tasks)})" if item.tasks else ""
        about = f" (job {item.job.pk})" if item.job else files
        yield warning("jobs", f"{item.text}{about}", item.hint)
    if is_quiet:
        yield ok("jobs", "nothing waits for anybody")
