"""The latest scan of each of many jobs: found from the end of an index, however many there were before it.

A job that looks every five minutes has 26,000 scans in the 90 days that are kept, and pages that people leave open ask
for the latest of each job every two seconds.
"""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from jobs.models import Job, Scan


def latest_scans(jobs: QuerySet[Job], **conditions: Any) -> QuerySet[Scan]:
    """Of each of these jobs the latest scan that is no preview and fulfils the conditions, if there is one."""
    of_job = Scan.objects.filter(job=OuterRef("pk"), is_preview=False, **conditions).order_by("-id")
    latest = jobs.order_by().annotate(latest=Subquery(of_job.values("pk")[:1])).values("latest")
    return Scan.objects.filter(pk__in=latest)
