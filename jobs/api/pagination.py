"""Two kinds of pages: numbered and counted for what is few (jobs), by keyset for what may be millions (tasks)."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Model, QuerySet
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from jobs.errors import Refusal

PAGE_ROWS, MAX_PAGE_ROWS = 100, 500
#: Query parameters that are never filters.
PAGE_PARAMETERS = frozenset({"page", "page_size", "cursor", "format"})
_MAX_ID = (1 << 63) - 1


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
    size = _page_rows(request)
    found: list[Model] = list(rows.order_by(order)[: size + 1])
    if len(found) <= size:
        return Slice(found, None)
    return Slice(found[:size], replace_query_param(request.build_absolute_uri(), "cursor", found[size - 1].pk))


def _cursor(request: Request) -> int | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= _MAX_ID):
        hint = "Follow the `next` of the page before instead of making one up."
        raise Refusal("BAD_CURSOR", "The cursor can't be understood.", field="cursor", hint=hint)
    return int(text)


def _page_rows(request: Request) -> int:
    text = request.query_params.get("page_size", "")
    wanted = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    return min(wanted, MAX_PAGE_ROWS) or PAGE_ROWS
