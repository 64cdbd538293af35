"""Looking at a job over HTTP: its files, scans and history, page by page."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import insight, selectors
from jobs.api.answers import EventPage, ScanDetail, ScanOut
from jobs.api.filters import EventFilters, TaskFilters
from jobs.api.pagination import slice_by_id, slice_of_tasks
from jobs.api.tasks import by_number
from jobs.api.tracking import TrackingOut
from jobs.models import Scan
from jobs.states import TaskStatus

_KEYSET = [
    OpenApiParameter("cursor", str, description="As `next` gives it."),
    OpenApiParameter("page_size", int, description="Rows a page: 100 by default, 500 at most."),
]
_TASK_FILTERS = [
    OpenApiParameter("status", str, enum=[value.value for value in TaskStatus]),
    OpenApiParameter("kind", str, enum=["file", "symlink", "special"]),
    OpenApiParameter("reason", str, description="Reason code."),
    OpenApiParameter("slave", str, description="Name of the slave that works on it, or did last."),
    OpenApiParameter("min_size", int, description="Bytes."),
    OpenApiParameter("max_size", int, description="Bytes."),
    OpenApiParameter("path", str, description="Part of the path, as it is shown; reads through the job's files."),
]
_EVENT_FILTERS = [
    OpenApiParameter("action", str, description="Such as create, pause, failed or scan_done."),
    OpenApiParameter("actor", str, description="user:NAME, slave:NAME or scheduler."),
    OpenApiParameter("reason", str, description="Reason code."),
    OpenApiParameter("after", OpenApiTypes.DATETIME, description="From this moment on."),
    OpenApiParameter("before", OpenApiTypes.DATETIME, description="Before this moment."),
]


class LookActions:
    """Mixed into the jobs' views."""

    permission_of: ClassVar = {
        "tracking": "view_job",
        "scans": "view_job",
        "scan": "view_job",
        "events": "view_job",
    }

    @extend_schema(parameters=[*_TASK_FILTERS, *_KEYSET], responses=TrackingOut, filters=False)
    @action(detail=True, filterset_class=TaskFilters, pagination_class=None)
    def tracking(self: Any, request: Request, pk: str) -> Response:
        """The job, its totals and a page of its files, in the order of their paths; asked for by a status other than
        completed, in the order they were found."""
        job = self.get_object()
        tasks = slice_of_tasks(request, job, self.filter_queryset(selectors.tracked_tasks(job)))
        seen = insight.look([job])
        now = seen[str(job.pk)]
        found = {"job": job, "summary": now.progress, "now": now, "tasks": tasks.rows, "next": tasks.next}
        return Response(TrackingOut(found, context={"overviews": seen, "job": job}).data)

    @extend_schema(responses=ScanOut(many=True), filters=False)
    @action(detail=True, filterset_class=None)
    def scans(self: Any, request: Request, pk: str) -> Response:
        """The job's scans and previews, newest first."""
        scans = self.paginate_queryset(self.filter_queryset(Scan.objects.filter(job=self.get_object()))) or []
        page: Response = self.get_paginated_response(ScanOut(scans, many=True).data)
        return page

    @extend_schema(parameters=_KEYSET, responses=ScanDetail, filters=False)
    @action(detail=True, url_path=r"scans/(?P<scan_id>\d+)", filterset_class=None, pagination_class=None)
    def scan(self: Any, request: Request, pk: str, scan_id: str) -> Response:
        """One scan with a page of its findings: errors, skips and, in a preview, what would be done."""
        scan = by_number(Scan.objects.filter(job=self.get_object()), scan_id)
        findings = slice_by_id(request, self.filter_queryset(scan.findings.all()))
        return Response(ScanDetail({"scan": scan, "findings": findings.rows, "next": findings.next}).data)

    @extend_schema(parameters=[*_EVENT_FILTERS, *_KEYSET], responses=EventPage, filters=False)
    @action(detail=True, filterset_class=EventFilters, pagination_class=None)
    def events(self: Any, request: Request, pk: str) -> Response:
        """The job's history, newest first."""
        page = slice_by_id(request, self.filter_queryset(self.get_object().events.all()), newest_first=True)
        return Response(EventPage({"results": page.rows, "next": page.next}).data)
