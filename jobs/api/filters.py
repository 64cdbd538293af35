"""What lists can be filtered by: these parameters and no others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.request import Request

from jobs.api.fields import MAX_BIGINT
from jobs.api.pagination import PAGE_PARAMETERS
from jobs.errors import Refusal
from jobs.models import Job, JobEvent, Slave, Task, TaskKind
from jobs.reasons import REASONS
from jobs.states import JobStatus, TaskStatus
from jobs.waiting import in_status


class StrictBackend(DjangoFilterBackend):  # type: ignore[misc]
    """A misspelt filter is refused; ignoring it would answer with rows nobody asked for."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Raises Refusal UNKNOWN_FILTER, or ValidationError for a value that can't be."""
        filters = self.get_filterset_class(view, queryset)
        known = set(filters.base_filters) if filters else set()
        for name in request.query_params:
            if name not in known | PAGE_PARAMETERS:
                hint = f"Known filters: {', '.join(sorted(known)) or 'none'}."
                raise Refusal("UNKNOWN_FILTER", f"There is no filter {name!r}.", field=name, hint=hint)
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


class MomentField(IsoDateTimeField):  # type: ignore[misc]
    """A moment that exists in UTC, too: the last hours of year 9999 do not everywhere."""

    def clean(self, value: Any) -> datetime | None:
        """Raises ValidationError."""
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError("Enter a date within the years 1 to 9999.", code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    """ISO 8601, as the API itself writes moments."""

    field_class = MomentField


class JobFilters(FilterSet):  # type: ignore[misc]
    """Of the list of jobs."""

    status = django_filters.ChoiceFilter(choices=[(value, value) for value in JobStatus])
    source_type = django_filters.CharFilter(max_length=50)
    sink_type = django_filters.CharFilter(max_length=50)
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Job
        fields = ()


def _bytes(lookup: str) -> django_filters.NumberFilter:
    return django_filters.NumberFilter(field_name="size", lookup_expr=lookup, min_value=0, max_value=MAX_BIGINT)


class TaskFilters(FilterSet):  # type: ignore[misc]
    """Of tracking."""

    status = django_filters.ChoiceFilter(choices=[(value, value) for value in TaskStatus], method="of_status")
    kind = django_filters.ChoiceFilter(choices=[(kind, kind) for kind in TaskKind.values if kind != TaskKind.DIRECTORY])
    reason = django_filters.ChoiceFilter(field_name="reason_code", choices=[(code, code) for code in sorted(REASONS)])
    slave = django_filters.CharFilter(field_name="slave_name", max_length=63)
    min_size = _bytes("gte")
    max_size = _bytes("lte")
    path = django_filters.CharFilter(field_name="path_display", lookup_expr="contains", max_length=4096)

    def of_status(self, tasks: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        """By an index where few tasks are in it."""
        return tasks.filter(in_status(TaskStatus(value)))

    class Meta:
        model = Task
        fields = ()


class EventFilters(FilterSet):  # type: ignore[misc]
    """Of a job's history."""

    action = django_filters.CharFilter(max_length=30)
    actor = django_filters.CharFilter(max_length=160)
    reason = django_filters.CharFilter(field_name="reason_code", max_length=40)
    after = MomentFilter(field_name="at", lookup_expr="gte")
    before = MomentFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = JobEvent
        fields = ()


class SlaveFilters(FilterSet):  # type: ignore[misc]
    """Of the list of slaves."""

    state = django_filters.ChoiceFilter(choices=Slave.State.choices)
    name = django_filters.CharFilter(max_length=63)

    class Meta:
        model = Slave
        fields = ()
