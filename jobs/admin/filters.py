"""Filters of the list of tasks. Each becomes a condition that an index answers, or that most rows fulfil."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from jobs.models import INDEXED_SIZE_BYTES, Slave, Task
from jobs.reasons import REASONS
from jobs.states import TaskStatus
from jobs.waiting import in_status, is_large

NAMED_SLAVES = 50
MIB, GIB = 1 << 20, 1 << 30


class StateFilter(admin.SimpleListFilter):
    """By status."""

    title, parameter_name = "status", "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All there are."""
        return [(status.value, status.value.replace("_", " ")) for status in TaskStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        """Only known ones."""
        chosen = self.value()
        return queryset.filter(in_status(TaskStatus(chosen))) if chosen and chosen in list(TaskStatus) else queryset


class ReasonFilter(admin.SimpleListFilter):
    """By why it failed; of another status only if that is chosen too."""

    title, parameter_name = "reason", "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All that can happen."""
        return [(code, code) for code in sorted(REASONS)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        """Failed ones, unless the status says otherwise."""
        if not self.value():
            return queryset
        found = queryset.filter(reason_code=self.value())
        return found if request.GET.get("status__exact") else found.filter(in_status(TaskStatus.FAILED))


class SlaveFilter(admin.SimpleListFilter):
    """By who worked on it last."""

    title, parameter_name = "slave", "slave"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The latest to sign on; who sees only jobs of his own is not told whom else there is."""
        if not request.user.has_perm("jobs.view_all_jobs"):
            return []
        names = Slave.objects.order_by("-started_at").values_list("name", flat=True)[: NAMED_SLAVES * 4]
        return [(name, name) for name in sorted(dict.fromkeys(names))[:NAMED_SLAVES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        """By name, whichever incarnation."""
        return queryset.filter(slave_name=self.value()) if self.value() else queryset


class SizeFilter(admin.SimpleListFilter):
    """By size at the source."""

    title, parameter_name = "size", "size"
    RANGES = {  # noqa: RUF012
        "empty": ("empty", Q(size=0)),
        "small": ("up to 16 MiB", Q(size__gt=0, size__lt=INDEXED_SIZE_BYTES)),
        "large": ("16 MiB and more", is_large(INDEXED_SIZE_BYTES)),
        "100m": ("100 MiB and more", is_large(100 * MIB)),
        "1g": ("1 GiB and more", is_large(GIB)),
        "10g": ("10 GiB and more", is_large(10 * GIB)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Ranges."""
        return [(key, words) for key, (words, _) in self.RANGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        """One range."""
        chosen = self.RANGES.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset
