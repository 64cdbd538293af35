"""Scans and events: to be looked at, filtered and searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import selectors
from jobs.admin.base import ReadOnly
from jobs.admin.display import badge, code
from jobs.models import Finding, JobEvent, Scan

if TYPE_CHECKING:
    FindingInlineBase = admin.TabularInline[Finding, Scan]
else:
    FindingInlineBase = admin.TabularInline


class OfJobs(ReadOnly):
    """Rows that belong to jobs: whoever may not see the job does not see them either."""

    list_select_related = ("job",)
    list_per_page = 100
    sortable_by = ()
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of the jobs this user may see."""
        rows = super().get_queryset(request)
        if request.user.has_perm("jobs.view_all_jobs"):
            return rows
        return rows.filter(job__in=selectors.visible_jobs(request.user))

    @admin.display(description="Job")
    def of_job(self, row: Any) -> SafeString:
        """Linked."""
        return format_html('<a href="{}">{}</a>', reverse("admin:jobs_job_change", args=[row.job_id]), row.job)


class FindingInline(FindingInlineBase):
    """What the scan has to say about single paths."""

    model = Finding
    fields = readonly_fields = ("verdict", "path_display", "size", "reason_code", "reason_text")
    can_delete = False
    extra = max_num = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees the scan sees its findings."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


class PhaseFilter(admin.SimpleListFilter):
    """By how far a scan is."""

    title, parameter_name = "phase", "phase"
    CONDITIONS = {  # noqa: RUF012
        "under way": Q(finished_at=None),
        "failed": Q(finished_at__isnull=False) & ~Q(error_code=""),
        "finished": Q(finished_at__isnull=False, error_code=""),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All there are."""
        return [(phase, phase) for phase in self.CONDITIONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Scan]) -> QuerySet[Scan]:
        """Of one phase."""
        return queryset.filter(self.CONDITIONS.get(self.value() or "", Q()))


@admin.register(Scan)
class ScanAdmin(OfJobs):
    """One comparison of source, catalogue and sink."""

    list_display = (
        *("number", "of_job", "state", "requested_at"),
        *("errors", "new", "changed", "unchanged", "skipped", "gone", "files_seen"),
    )
    list_filter = (PhaseFilter, "is_preview")
    search_fields = ("job__name", "error_text")
    fields = (
        *("of_job", "state", "is_preview", "owner", "requested_at", "started_at", "finished_at"),
        *("error_code", "error_text", "files_seen", "bytes_seen", "new", "changed", "unchanged", "compared"),
        *("drifted", "skipped", "gone", "errors", "bytes_to_copy"),
    )
    readonly_fields = fields
    inlines = (FindingInline,)

    @admin.display(description="Scan")
    def number(self, scan: Scan) -> str:
        """#12"""
        return f"#{scan.pk}"

    @admin.display(description="Phase")
    def state(self, scan: Scan) -> SafeString:
        """As a badge, with a second one for a preview."""
        return format_html("{} {}", badge(scan.phase), badge("preview")) if scan.is_preview else badge(scan.phase)


@admin.register(JobEvent)
class JobEventAdmin(OfJobs):
    """Who did what, when and why."""

    list_display = ("at", "action", "actor", "of_job", "count", "reason", "text")
    list_filter = ("action",)
    search_fields = ("actor", "text", "reason_code")
    fields = ("at", "action", "actor", "of_job", "of_task", "count", "reason_code", "text")
    readonly_fields = fields

    @admin.display(description="Reason")
    def reason(self, event: JobEvent) -> SafeString | str:
        """Its code."""
        return code(event.reason_code)

    @admin.display(description="Task")
    def of_task(self, event: JobEvent) -> SafeString | str:
        """Linked."""
        if event.task is None:
            return "–"
        return format_html('<a href="{}">{}</a>', reverse("admin:jobs_task_change", args=[event.task_id]), event.task)
