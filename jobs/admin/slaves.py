"""Slaves: who copies, how they are, and who shall stop."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from jobs import slaves
from jobs.admin.base import PlainChangeList, ReadOnly
from jobs.admin.display import NOTHING, badge, speed
from jobs.admin.verbs import log_change
from jobs.models import Slave
from jobs.waiting import tasks_in_hand
from jobs.words import ago


class SlaveChangeList(PlainChangeList):
    """Counts what each has in hand, for the whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Every row carries `held`."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        held = _held([row.pk for row in rows])
        for row in rows:
            row.held = held.get(row.pk, 0)
        self.result_list = rows


def _held(ids: list[Any]) -> dict[Any, int]:
    rows = tasks_in_hand().filter(owner__in=ids).values_list("owner").annotate(count=Count("id"))
    return dict(rows.order_by())


@admin.register(Slave)
class SlaveAdmin(ReadOnly):
    """One incarnation each; the live ones first."""

    actions = ("drain_selected",)
    change_form_template = "admin/jobs/slave/change_form.html"
    list_display = (
        *("name", "health", "heartbeat", "leases", "throughput"),
        *("concurrency", "host", "version", "started_at"),
    )
    list_filter = ("state", "host")
    sortable_by = ()
    ordering = (Case(When(state=Slave.State.OFFLINE, then=1), default=0).asc(), "-started_at")
    search_fields = ("name", "host")
    fields = (
        *("name", "health", "heartbeat", "leases", "throughput", "concurrency", "version", "host"),
        *("process_id", "machine_id", "id", "storages", "out_of_reach", "started_at", "heartbeat_at"),
        *("lease_expires_at", "drain_requested_at", "stopped_at"),
    )
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """See `SlaveChangeList`."""
        return SlaveChangeList

    # ── drain ─────────────────────────────────────────────────────────────────────────────────────────────────

    def has_drain_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may have slaves drain."""
        return request.user.has_perm("jobs.drain_slave")

    @admin.action(description="Drain selected slaves", permissions=["drain"])
    def drain_selected(self, request: HttpRequest, rows: QuerySet[Slave]) -> None:
        """They take no more work and end when what they have in hand is done."""
        for slave in rows:
            self._drain(request, slave)

    def _drain(self, request: HttpRequest, slave: Slave) -> None:
        if slaves.ask_to_drain(slave):
            log_change(request, slave, "Drain")
            messages.success(request, f"“{slave}” takes no more work and ends when what it has in hand is done.")
        else:
            messages.error(request, f"“{slave}” was not asked to drain: it drains already, or it is gone.")

    def get_urls(self) -> list[URLPattern]:
        """With the button's."""
        wrap = self.admin_site.admin_view
        return [path("<path:object_id>/drain/", wrap(self.drain), name="jobs_slave_drain"), *super().get_urls()]

    def drain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on a slave was pressed."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_drain_permission(request):
            raise PermissionDenied
        slave: Any = self.get_object(request, object_id)
        if slave is None:
            raise Http404
        self._drain(request, slave)
        return HttpResponseRedirect(reverse("admin:jobs_slave_change", args=[object_id]))

    # ── columns ───────────────────────────────────────────────────────────────────────────────────────────────

    @admin.display(description="State")
    def health(self, slave: Slave) -> SafeString:
        """What it says of itself, unless its lease says that it is dead."""
        if slave.state == Slave.State.OFFLINE:
            return badge(slave.state)
        if slave.lease_expires_at <= timezone.now():
            return badge("dead")
        if slave.drain_requested_at:
            return badge(Slave.State.DRAINING)
        return badge(slave.state)

    @admin.display(description="Heartbeat")
    def heartbeat(self, slave: Slave) -> str:
        """How long ago it renewed its lease."""
        return ago(slave.heartbeat_at)

    @admin.display(description="Leases")
    def leases(self, slave: Any) -> SafeString:
        """How many tasks it has in hand."""
        if not hasattr(slave, "held"):
            slave.held = _held([slave.pk]).get(slave.pk, 0)
        url = reverse("admin:jobs_task_changelist")
        words = (url, slave.name, slave.held)
        return format_html('<a href="{}?status__exact=in_progress&amp;slave={}">{}</a>', *words)

    @admin.display(description="PID")
    def process_id(self, slave: Slave) -> int:
        """On its host."""
        return slave.pid

    @admin.display(description="Storages")
    def storages(self, slave: Slave) -> str:
        """Those it reached when it started."""
        return ", ".join(sorted(slave.aliases)) or NOTHING

    @admin.display(description="Out of reach")
    def out_of_reach(self, slave: Slave) -> SafeString | str:
        """The others, and why."""
        return format_html_join(mark_safe("<br>"), "{}: {}", sorted(slave.unreachable.items())) or NOTHING

    @admin.display(description="Throughput")
    def throughput(self, slave: Slave) -> str:
        """Bytes a second."""
        return speed(slave.bytes_per_second)
