"""Jobs and slaves over HTTP."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from jobs import insight, selectors, services, slaves
from jobs.api.answers import Created, Done, EventPage, JobOut, RetryDone, ScanDetail, ScanOut, ScanRequested, SlaveOut
from jobs.api.base import Guarded
from jobs.api.drafting import DraftActions
from jobs.api.errors import shown_at
from jobs.api.filters import EventFilters, JobFilters, SlaveFilters, StrictBackend, TaskFilters
from jobs.api.pagination import Pages, slice_by_id, slice_of_tasks
from jobs.api.reports import ReportActions
from jobs.api.requests import JobCreate, JobOptions, Nothing, RetryRequest
from jobs.api.tasks import TaskActions, by_number
from jobs.api.tracking import TrackingOut
from jobs.idempotency import create_job_once
from jobs.models import Job, Scan, Slave, Task
from jobs.states import TaskStatus

_KEYSET = [
    OpenApiParameter("cursor", str, description="As `next` gives it."),
    OpenApiParameter("page_size", int, description="Rows a page: 100 by default, 500 at most."),
]
_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Your own name for this request, such as a UUID."
)
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


class JobViewSet(Guarded, DraftActions, ReportActions, TaskActions, mixins.ListModelMixin, GenericViewSet[Any]):
    """Keep a sink like a source."""

    permission_of: ClassVar = {
        "list": "view_job",
        "create": "add_job",
        "retrieve": "view_job",
        "partial_update": "change_job",
        "destroy": "kill_job",
        "tracking": "view_job",
        "pause": "pause_job",
        "resume": "pause_job",
        "run": "run_job",
        "preview": "run_job",
        "retry": "run_job",
        "scans": "view_job",
        "scan": "view_job",
        "events": "view_job",
        **ReportActions.permission_of,
        **TaskActions.permission_of,
        **DraftActions.permission_of,
    }
    request_of: ClassVar[dict[str, type[BaseSerializer[Any]]]] = {
        "create": JobCreate,
        "draft": JobCreate,
        "partial_update": JobOptions,
        "retry": RetryRequest,
    }
    filter_backends = (StrictBackend,)
    filterset_class = JobFilters
    pagination_class = Pages
    lookup_value_regex = "[^/]+"
    serializer_class = Nothing
    queryset = Job.objects.none()

    def get_queryset(self) -> QuerySet[Job]:
        """Only what this user may see; a foreign id is as unknown as any."""
        return selectors.visible_jobs(self.request.user)

    def get_object(self) -> Job:
        """The job at hand. List filters do not apply: on the actions they belong to what is below the job."""
        job: Job = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        return job

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """What the action takes."""
        return self.request_of.get(self.action, Nothing)

    @property
    def actor(self) -> str:
        """How history names who asks."""
        return services.actor_of(self.user)

    @property
    def user(self) -> AbstractBaseUser:
        """Who asks; a permission was checked, so it is somebody."""
        return cast("AbstractBaseUser", self.request.user)

    def buttons(self) -> list[tuple[str, str]]:
        """For the browsable API: what this user may do to the job at hand."""
        if "pk" not in self.kwargs:
            return []
        verbs = [verb for verb in ("pause", "resume", "run", "preview", "retry") if self._may(verb)]
        return [(verb, reverse(f"job-{verb}", args=[self.kwargs["pk"]])) for verb in verbs]

    def _may(self, verb: str) -> bool:
        return bool(self.request.user.has_perm(f"jobs.{self.permission_of[verb]}"))

    def get_extra_action_url_map(self) -> dict[str, str]:
        """For the browsable API: links to what can be looked at; what is done has buttons."""
        if "pk" not in self.kwargs or not self.detail:
            return {}
        return {name: reverse(f"job-{name}", args=[self.kwargs["pk"]]) for name in ("tracking", "scans", "events")}

    # ── create, read, change, kill ────────────────────────────────────────────────────────────────────────────

    @extend_schema(responses=JobOut(many=True))
    def list(self, request: Request) -> Response:
        """The jobs this user may see, newest first."""
        jobs = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._shown(jobs, many=True))

    @extend_schema(request=JobCreate, responses={201: Created}, parameters=[_IDEMPOTENCY_KEY])
    def create(self, request: Request) -> Response:
        """Submit a job; it is scanned at once.

        With an `Idempotency-Key` a repeated request is answered with the job that the first one made (and the header
        `Idempotency-Replayed: true`); the same key with another body is refused with 422. Keys are kept for 7 days."""
        serializer = self.get_serializer(data=request.data)
        with shown_at(serializer):
            serializer.is_valid(raise_exception=True)
            job, is_new = self._create(serializer.validated_data)
        headers = {"Location": reverse("job-detail", args=[job.pk], request=request)}
        if not is_new:
            headers["Idempotency-Replayed"] = "true"
        body = {**_done(job, "Job submitted successfully"), "warnings": services.losses(job)}
        return Response(body, status.HTTP_201_CREATED, headers=headers)

    def _create(self, wanted: dict[str, Any]) -> tuple[Job, bool]:
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return services.create_job(actor=self.actor, owner=self.user, **wanted), True
        return create_job_once(key=key, actor=self.actor, owner=self.user, **wanted)

    @extend_schema(responses=JobOut)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One job."""
        return Response(self._shown(self.get_object()))

    @extend_schema(request=JobOptions, responses=JobOut)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change options while it runs. What is synced never changes: that is another job."""
        job = self.get_object()
        serializer = self.get_serializer(job, data=request.data, partial=True)
        with shown_at(serializer):
            serializer.is_valid(raise_exception=True)
            if serializer.validated_data:
                services.update_options(job, actor=self.actor, **serializer.validated_data)
        return Response(self._shown(self.get_object()))

    @extend_schema(responses={200: Done})
    def destroy(self, request: Request, pk: str) -> Response:
        """Kill the job. Its history stays, and so does everything at the sink."""
        job = self.get_object()
        won = services.kill_job(job, actor=self.actor)
        return Response(_done(job, "Job killed successfully" if won else "Job was killed already"))

    def _shown(self, found: Any, *, many: bool = False) -> Any:
        jobs = found if many else [found]
        context = {**self.get_serializer_context(), "overviews": selectors.overviews([job.pk for job in jobs])}
        return JobOut(found, many=many, context=context).data

    # ── steer ─────────────────────────────────────────────────────────────────────────────────────────────────

    @extend_schema(request=None, responses=Done)
    @action(detail=True, methods=["put", "post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Copies stop within seconds, at a checkpoint."""
        job = self.get_object()
        won = services.pause_job(job, actor=self.actor)
        return Response(_done(job, "Job paused successfully" if won else "Job was paused already"))

    @extend_schema(request=None, responses=Done)
    @action(detail=True, methods=["put", "post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on where it stopped."""
        job = self.get_object()
        won = services.resume_job(job, actor=self.actor)
        return Response(_done(job, "Job resumed successfully" if won else "Job was running already"))

    @extend_schema(request=None, responses=ScanRequested)
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Scan now; a completed run-once job runs again."""
        job = self.get_object()
        scan = services.run_now(job, actor=self.actor)
        return Response({**_done(job, "Scan requested"), "scan_id": str(scan.pk)})

    @extend_schema(request=None, responses=ScanRequested)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> Response:
        """A dry run: its findings say what would be done, nothing is touched."""
        job = self.get_object()
        scan = services.preview(job, actor=self.actor)
        return Response({**_done(job, "Preview requested"), "scan_id": str(scan.pk)})

    @extend_schema(request=RetryRequest, responses=RetryDone)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Failed and skipped tasks become pending with fresh attempts."""
        job = self.get_object()
        serializer = self.get_serializer(data=request.data)
        with shown_at(serializer):
            serializer.is_valid(raise_exception=True)
        count = self._retry(job, **serializer.validated_data)
        return Response({**_done(job, f"Tasks to be tried again: {count}"), "count": count})

    def _retry(self, job: Job, task_id: str = "", reason: str = "") -> int:
        if not task_id:
            return services.retry_failed(job, actor=self.actor, reason_code=reason)
        task = by_number(Task.objects.filter(job=job).select_related("job"), task_id)
        return services.retry_task(task, actor=self.actor)

    # ── look ──────────────────────────────────────────────────────────────────────────────────────────────────

    @extend_schema(parameters=[*_TASK_FILTERS, *_KEYSET], responses=TrackingOut, filters=False)
    @action(detail=True, filterset_class=TaskFilters, pagination_class=None)
    def tracking(self, request: Request, pk: str) -> Response:
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
    def scans(self, request: Request, pk: str) -> Response:
        """The job's scans and previews, newest first."""
        scans = self.paginate_queryset(self.filter_queryset(Scan.objects.filter(job=self.get_object()))) or []
        return self.get_paginated_response(ScanOut(scans, many=True).data)

    @extend_schema(parameters=_KEYSET, responses=ScanDetail, filters=False)
    @action(detail=True, url_path=r"scans/(?P<scan_id>\d+)", filterset_class=None, pagination_class=None)
    def scan(self, request: Request, pk: str, scan_id: str) -> Response:
        """One scan with a page of its findings: errors, skips and, in a preview, what would be done."""
        scan = by_number(Scan.objects.filter(job=self.get_object()), scan_id)
        findings = slice_by_id(request, self.filter_queryset(scan.findings.all()))
        return Response(ScanDetail({"scan": scan, "findings": findings.rows, "next": findings.next}).data)

    @extend_schema(parameters=[*_EVENT_FILTERS, *_KEYSET], responses=EventPage, filters=False)
    @action(detail=True, filterset_class=EventFilters, pagination_class=None)
    def events(self, request: Request, pk: str) -> Response:
        """The job's history, newest first."""
        page = slice_by_id(request, self.filter_queryset(self.get_object().events.all()), newest_first=True)
        return Response(EventPage({"results": page.rows, "next": page.next}).data)


class SlaveViewSet(Guarded, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Slave]):
    """Who copies."""

    permission_of: ClassVar = {"list": "view_slave", "retrieve": "view_slave", "drain": "drain_slave"}
    queryset = Slave.objects.all()
    serializer_class = SlaveOut
    filter_backends = (StrictBackend,)
    filterset_class = SlaveFilters
    pagination_class = Pages
    lookup_value_regex = "[^/]+"

    @extend_schema(request=None, responses=SlaveOut)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def drain(self, request: Request, pk: str) -> Response:
        """It takes no more work, and ends when what it has in hand is done. Asking again changes nothing."""
        slave = get_object_or_404(Slave, pk=pk)
        slaves.ask_to_drain(slave)
        slave.refresh_from_db()
        return Response(SlaveOut(slave).data)


def _done(job: Job, message: str) -> dict[str, str]:
    return {"job_id": str(job.pk), "status": job.status, "message": message}
