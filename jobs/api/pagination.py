"""Two kinds of pages: numbered and counted for what is few (jobs), by keyset for what may be millions (tasks)."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Model, QuerySet
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from jobs.api.fields import MAX_BIGINT
from jobs.catalogue import BY_PATH, behind
from jobs.errors import Refusal
from jobs.models import Job, Task
from jobs.waiting import is_indexed

PAGE_ROWS, MAX_PAGE_ROWS = 100, 500
#: Query parameters that are never filters.
PAGE_PARAMETERS = frozenset({"page", "page_size", "cursor", "format"})


class Pages(PageNumberPagination):
    """`?page=2&page_size=50`: count, next, previous, results."""

    page_size = PAGE_ROWS
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_ROWS


class Slice(NamedTuple):
    """One page of a keyset."""

    rows: list[Any]
    next: str | None
    """URL of the following page; None on the last one."""


def slice_by_id(request: Request, rows: QuerySet[Any], *, newest_first: bool = False) -> Slice:
    """The page of `rows` after `?cursor=`, in order of id: costs the same on the first page and on the last.

    Raises Refusal BAD_CURSOR. At most `?page_size=` rows, 100 by default, 500 at most."""
    order, lookup = ("-id", "id__lt") if newest_first else ("id", "id__gt")
    cursor = _cursor(request)
    if cursor is not None:
        rows = rows.filter(**{lookup: cursor})
    return _cut(request, rows.order_by(order))


def slice_of_tasks(request: Request, job: Job, tasks: QuerySet[Task]) -> Slice:
    """The page of the job's `tasks` after that of `?cursor=`: in the order of their paths, and where a status has an
    index of its own, in the order of their ids. Raises as `slice_by_id` does."""
    if is_indexed(request.query_params.get("status", "")):
        return slice_by_id(request, tasks)
    cursor = _cursor(request)
    if cursor is not None:
        last = Task.objects.filter(job=job, pk=cursor).only("path", "path_sha256").first()
        if last is None:
            raise _bad_cursor()
        tasks = tasks.filter(behind(last))
    return _cut(request, tasks.order_by(*BY_PATH))


def _cut(request: Request, rows: QuerySet[Any]) -> Slice:
    size = _page_rows(request)
    found: list[Model] = list(rows[: size + 1])
    if len(found) <= size:
        return Slice(found, None)
    return Slice(found[:size], replace_query_param(request.build_absolute_uri(), "cursor", found[size - 1].pk))


def _cursor(request: Request) -> int | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= MAX_BIGINT):
        raise _bad_cursor()
    return int(text)


def _bad_cursor() -> Refusal:
    hint = "Follow the `next` of the page before instead of making one up."
    return Refusal("BAD_CURSOR", "The cursor can't be understood.", field="cursor", hint=hint)


def _page_rows(request: Request) -> int:
    text = request.query_params.get("page_size", "")
    wanted = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    return min(wanted, MAX_PAGE_ROWS) or PAGE_ROWS
