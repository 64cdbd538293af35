"""Over HTTP: look at what a job would do before it is one."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from jobs import drafts, services
from jobs.api.answers import Created, done
from jobs.api.errors import shown_at
from jobs.api.requests import JobCreate
from jobs.models import Job


class Drafted(Created):
    """A job that waits, paused, and the preview that is made of it."""

    scan_id = serializers.CharField(help_text="`/api/jobs/{id}/scans/{scan_id}` tells what the job would do.")


class DraftActions:
    """Mixed into the jobs' views."""

    permission_of: ClassVar = {"draft": "add_job", "discard": "add_job"}

    @extend_schema(operation_id="jobs_draft", request=JobCreate, responses={201: Drafted})
    @action(detail=False, methods=["post"], url_path="drafts", filterset_class=None, pagination_class=None)
    def draft(self: Any, request: Request) -> Response:
        """Submit a job that is looked at first: it waits, paused, and a preview of it is made; nothing is copied.

        Then `resume` starts it and `discard` forgets it."""
        serializer = self.get_serializer(data=request.data)
        with shown_at(serializer):
            serializer.is_valid(raise_exception=True)
            job = drafts.draft_job(actor=self.actor, owner=self.user, **serializer.validated_data)
        warnings, scan = services.losses(job), job.scans.get()
        body = {**done(job, "Draft submitted successfully"), "warnings": warnings, "scan_id": str(scan.pk)}
        location = reverse("job-detail", args=[job.pk], request=request)
        return Response(body, status.HTTP_201_CREATED, headers={"Location": location})

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def discard(self: Any, request: Request, pk: str) -> Response:
        """Forget a draft. A job that was ever started is refused with 409: it can be killed, not discarded."""
        job: Job = self.get_object()
        drafts.discard(job)
        return Response(status=status.HTTP_204_NO_CONTENT)
