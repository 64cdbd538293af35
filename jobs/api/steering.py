"""Steering a job over HTTP."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import services
from jobs.api.answers import Done, RetryDone, ScanRequested, done
from jobs.api.errors import shown_at
from jobs.api.requests import RetryRequest
from jobs.api.tasks import by_number
from jobs.models import Job, Task


class SteerActions:
    """Mixed into the jobs' views."""

    permission_of: ClassVar = {
        "pause": "pause_job",
        "resume": "pause_job",
        "run": "run_job",
        "preview": "run_job",
        "retry": "run_job",
    }

    @extend_schema(request=None, responses=Done)
    @action(detail=True, methods=["put", "post"])
    def pause(self: Any, request: Request, pk: str) -> Response:
        """Copies stop within seconds, at a checkpoint."""
        job = self.get_object()
        won = services.pause_job(job, actor=self.actor)
        return Response(done(job, "Job paused successfully" if won else "Job was paused already"))

    @extend_schema(request=None, responses=Done)
    @action(detail=True, methods=["put", "post"])
    def resume(self: Any, request: Request, pk: str) -> Response:
        """Go on where it stopped."""
        job = self.get_object()
        won = services.resume_job(job, actor=self.actor)
        return Response(done(job, "Job resumed successfully" if won else "Job was running already"))

    @extend_schema(request=None, responses=ScanRequested)
    @action(detail=True, methods=["post"])
    def run(self: Any, request: Request, pk: str) -> Response:
        """Scan now; a completed run-once job runs again."""
        job = self.get_object()
        scan = services.run_now(job, actor=self.actor)
        return Response({**done(job, "Scan requested"), "scan_id": str(scan.pk)})

    @extend_schema(request=None, responses=ScanRequested)
    @action(detail=True, methods=["post"])
    def preview(self: Any, request: Request, pk: str) -> Response:
        """A dry run: its findings say what would be done, nothing is touched."""
        job = self.get_object()
        scan = services.preview(job, actor=self.actor)
        return Response({**done(job, "Preview requested"), "scan_id": str(scan.pk)})

    @extend_schema(request=RetryRequest, responses=RetryDone)
    @action(detail=True, methods=["post"])
    def retry(self: Any, request: Request, pk: str) -> Response:
        """Failed and skipped tasks become pending with fresh attempts."""
        job = self.get_object()
        serializer = self.get_serializer(data=request.data)
        with shown_at(serializer):
            serializer.is_valid(raise_exception=True)
        count = self._retry(job, **serializer.validated_data)
        return Response({**done(job, f"Tasks to be tried again: {count}"), "count": count})

    def _retry(self: Any, job: Job, task_id: str = "", reason: str = "") -> int:
        if not task_id:
            return services.retry_failed(job, actor=self.actor, reason_code=reason)
        task = by_number(Task.objects.filter(job=job).select_related("job"), task_id)
        return services.retry_task(task, actor=self.actor)
