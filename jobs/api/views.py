"""Jobs over HTTP: create, read, change, kill. What else can be done to one is mixed in."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from jobs import selectors, services
from jobs.api.answers import Created, Done, JobOut, done
from jobs.api.base import Guarded
from jobs.api.drafting import DraftActions
from jobs.api.errors import shown_at
from jobs.api.filters import JobFilters, StrictBackend
from jobs.api.looking import LookActions
from jobs.api.pagination import Pages
from jobs.api.reports import ReportActions
from jobs.api.requests import JobCreate, JobOptions, Nothing, RetryRequest
from jobs.api.steering import SteerActions
from jobs.api.tasks import TaskActions
from jobs.idempotency import create_job_once
from jobs.models import Job
from jobs.progress import overviews

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Your own name for this request, such as a UUID."
)


class JobViewSet(
    Guarded,
    DraftActions,
    LookActions,
    ReportActions,
    SteerActions,
    TaskActions,
    mixins.ListModelMixin,
    GenericViewSet[Any],
):
    """Keep a sink like a source."""

    permission_of: ClassVar = {
        "list": "view_job",
        "create": "add_job",
        "retrieve": "view_job",
        "partial_update": "change_job",
        "destroy": "kill_job",
        **DraftActions.permission_of,
        **LookActions.permission_of,
        **ReportActions.permission_of,
        **SteerActions.permission_of,
        **TaskActions.permission_of,
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
        body = {**done(job, "Job submitted successfully"), "warnings": services.losses(job)}
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
        return Response(done(job, "Job killed successfully" if won else "Job was killed already"))

    def _shown(self, found: Any, *, many: bool = False) -> Any:
        jobs = found if many else [found]
        context = {**self.get_serializer_context(), "overviews": overviews([job.pk for job in jobs])}
        return JobOut(found, many=many, context=context).data
