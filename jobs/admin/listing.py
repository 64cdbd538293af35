"""The list of tasks: in an order, and cut so, that an index gives each page of it among millions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import InvalidPage
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.admin.base import CappedPaginator
from jobs.catalogue import BY_PATH
from jobs.models import Task, TaskKind
from jobs.states import TaskStatus
from jobs.waiting import by_kind, is_indexed

#: In a search: any characters.
ANYWHERE = "*"


class TaskChangeList(ChangeList):
    """In a job, the files stand in the order of their paths; those of a status that has an index of its own, and those
    of all jobs, the newest first. Whoever looks for a path gets paths in their order."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """See above."""
        if self.query and ANYWHERE not in self.query:
            return ["job_id", *BY_PATH]
        if job_of(request) and not is_indexed(_status_of(request)):
            return list(BY_PATH)
        return ["-id"]

    def get_results(self, request: HttpRequest) -> None:
        """A list that fits on one page is cut as well: without a limit a database reads all it might have to sort."""
        rows = Chain(_parts(request, self.queryset))
        paginator = self.model_admin.get_paginator(request, rows, self.list_per_page)  # type: ignore[arg-type]
        self.multi_page = paginator.count > self.list_per_page
        try:
            self.result_list = paginator.page(self.page_num if self.multi_page else 1).object_list
        except InvalidPage:
            raise IncorrectLookupParameters from None
        self.paginator, self.result_count = paginator, paginator.count
        self.full_result_count = None if self.query or self.has_active_filters else paginator.count
        self.can_show_all, self.show_full_result_count, self.show_admin_actions = False, False, True


def _parts(request: HttpRequest, tasks: QuerySet[Task]) -> list[QuerySet[Task]]:
    """Those that are pending are in two indexes, and so are asked for one after the other."""
    if _status_of(request) != TaskStatus.PENDING or not job_of(request):
        return [tasks]
    files, directories = by_kind(tasks)
    kind = request.GET.get("kind__exact")
    if kind in TaskKind.values:
        return [directories if kind == TaskKind.DIRECTORY else files]
    return [files, directories]


class Chain:
    """Tasks one queryset after the other, as a paginator takes them: counted up to its cap, and cut."""

    def __init__(self, parts: list[QuerySet[Task]]) -> None:
        self._parts = parts

    @cached_property
    def _counts(self) -> list[int]:
        return [part.order_by()[: CappedPaginator.CAP].count() for part in self._parts]

    def __len__(self) -> int:
        return min(CappedPaginator.CAP, sum(self._counts))

    def __getitem__(self, cut: slice) -> list[Task]:
        return list(self._between(cut.start or 0, cut.stop))

    def _between(self, first: int, end: int) -> Iterator[Task]:
        for part, count in zip(self._parts, self._counts, strict=True):
            if first < min(end, count):
                yield from part[first : min(end, count)]
            first, end = max(0, first - count), max(0, end - count)


def _status_of(request: HttpRequest) -> str:
    """Of the tasks that are listed; see `ReasonFilter`."""
    is_of_failed = "reason" in request.GET
    return request.GET.get("status__exact") or (TaskStatus.FAILED if is_of_failed else "")


def job_of(request: HttpRequest) -> uuid.UUID | None:
    """The one job whose tasks are listed, if it is one."""
    try:
        return uuid.UUID(request.GET.get("job__exact", ""))
    except ValueError:
        return None
