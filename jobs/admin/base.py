"""What all pages of the admin share: nothing is deleted here, and nothing is counted that may be millions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    AnyModelAdmin, AnyPaginator = admin.ModelAdmin, Paginator


class CappedPaginator(AnyPaginator):
    """Counts up to 10,000 rows and no further; what lies behind is found by filter and search."""

    CAP = 10_000

    @cached_property
    def count(self) -> int:
        """Rows, at most `CAP`."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.CAP].count()) if isinstance(rows, QuerySet) else len(rows)


class PlainChangeList(ChangeList):
    """Offers to show all only where something is left out."""

    def get_results(self, request: HttpRequest) -> None:
        """See above."""
        super().get_results(request)
        self.full_result_count = None if self.query or self.has_active_filters else self.result_count


class HistoryKeeper(AnyModelAdmin):
    """Nobody deletes: the history stays."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator

    class Media:
        css = {"all": ("jobs/admin.css",)}  # noqa: RUF012
        js = (Script("jobs/admin.js", defer=True),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """See there."""
        return PlainChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Headed by what is listed."""
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


class ReadOnly(HistoryKeeper):
    """For what only the machinery writes."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False
