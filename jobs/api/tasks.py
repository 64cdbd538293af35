"""One task over HTTP, and why it is as it is."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.tracking import TaskOut
from jobs.insight.why import why
from jobs.models import Job, Task


class FactOut(serializers.Serializer[Any]):
    """One line of an answer."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField(help_text="In words and figures, for reading.")


class ChapterOut(serializers.Serializer[Any]):
    """One question about a task, and its answer."""

    title = serializers.CharField(help_text="Such as Why, Seen at the source, Attempts, Checkpoints or Proof.")
    facts = FactOut(many=True)


class TaskDetail(serializers.Serializer[Any]):
    """A task with its whole story."""

    task = TaskOut()
    why = ChapterOut(many=True)


class TaskActions:
    """Mixed into the jobs' views."""

    permission_of: ClassVar = {"task": "view_job"}

    @extend_schema(responses=TaskDetail, filters=False)
    @action(detail=True, url_path=r"tasks/(?P<task_id>\d+)", filterset_class=None, pagination_class=None)
    def task(self: Any, request: Request, pk: str, task_id: str) -> Response:
        """One file: its state, and why: what was seen, what was decided, attempts, checkpoints, proof and errors.

        `POST /api/jobs/{id}/retry` with its id as `task_id` tries it again."""
        job: Job = self.get_object()
        found = by_number(Task.objects.filter(job=job).select_related("job"), task_id)
        return Response(TaskDetail({"task": found, "why": why(found)}, context={"job": job}).data)


def by_number(rows: QuerySet[Any], number: str) -> Any:
    """The row of that id; Http404 for everything that is none."""
    row = rows.filter(pk=int(number)).first() if number.isascii() and number.isdecimal() and len(number) < 20 else None
    if row is None:
        raise Http404
    return row
