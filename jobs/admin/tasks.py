"""Tasks: found among millions by job, state, reason, slave, size and path, and each explained."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import selectors, services
from jobs.admin.display import badge, bar, code, size
from jobs.admin.filters import ReasonFilter, SizeFilter, SlaveFilter, StateFilter
from jobs.admin.history import OfJobs
from jobs.admin.listing import ANYWHERE, TaskChangeList, job_of
from jobs.admin.verbs import VERBS, log_change, may
from jobs.catalogue import begins_with
from jobs.errors import Refusal
from jobs.insight.why import why
from jobs.models import Task
from jobs.progress import task_percent
from jobs.states import TaskStatus


@admin.register(Task)
class TaskAdmin(OfJobs):
    """One path of one job and the state it is in."""

    change_form_template = "admin/jobs/task/change_form.html"
    list_display = ("shown_path", "state", "progress", "file_size", "of_job", "attempts", "slave_name", "reason")
    list_filter = (StateFilter, ReasonFilter, SlaveFilter, SizeFilter, "kind")
    search_fields = ("path_display",)
    change_list_template = "admin/jobs/task/change_list.html"
    fields = ("of_job", "shown_path", "state", "progress")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        """Without the raw names and their digests, which nothing here shows."""
        return super().get_queryset(request).defer("path", "path_sha256")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TaskChangeList]:
        """See `TaskChangeList`."""
        return TaskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """By the index over the paths; with an asterisk by reading all of them."""
        if not search_term:
            return queryset, False
        if ANYWHERE in search_term:
            parts = [part for part in search_term.split(ANYWHERE) if part]
            return queryset.filter(*(Q(path_display__icontains=part) for part in parts)), False
        job = job_of(request)
        jobs = [job] if job else list(selectors.visible_jobs(request.user).values_list("pk", flat=True))
        beginning = search_term.encode(errors="surrogatepass").removeprefix(b"/")
        return queryset.filter(begins_with(beginning), job_id__in=jobs), False

    # ── one task ──────────────────────────────────────────────────────────────────────────────────────────────

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the whole story, and a button where it can be tried again."""
        task: Any = self.get_object(request, object_id) if self.has_view_permission(request) else None
        is_over = task is not None and task.status in (TaskStatus.FAILED, TaskStatus.SKIPPED)
        extra = {"chapters": why(task) if task else [], "may_retry": is_over and may(request, VERBS["retry"])}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def get_urls(self) -> list[URLPattern]:
        """With the button's."""
        wrap = self.admin_site.admin_view
        return [path("<path:object_id>/retry/", wrap(self.retry), name="jobs_task_retry"), *super().get_urls()]

    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Try this one again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may(request, VERBS["retry"]):
            raise PermissionDenied
        task: Any = self.get_object(request, object_id)
        if task is None:
            raise Http404
        try:
            count = services.retry_task(task, actor=services.actor_of(request.user))  # type: ignore[arg-type]
        except Refusal as refusal:
            messages.error(request, refusal.in_full)
        else:
            self._tell(request, task, count)
        return HttpResponseRedirect(reverse("admin:jobs_task_change", args=[object_id]))

    def _tell(self, request: HttpRequest, task: Task, count: int) -> None:
        if count:
            log_change(request, task, "Retry")
            messages.success(request, "It is tried again.")
        else:
            messages.info(request, "It can’t be tried again: it is not failed, or it is gone from the source.")

    # ── columns ───────────────────────────────────────────────────────────────────────────────────────────────

    @admin.display(description="Path")
    def shown_path(self, task: Task) -> SafeString:
        """Kept apart from what stands beside it, whichever way its script runs."""
        return format_html("<bdi>{}</bdi>", task.path_display)

    @admin.display(description="Status")
    def state(self, task: Task) -> SafeString:
        """As a badge."""
        return badge(task.status)

    @admin.display(description="Progress")
    def progress(self, task: Task) -> SafeString:
        """Of this file."""
        return bar(task_percent(task))

    @admin.display(description="Reason")
    def reason(self, task: Task) -> SafeString | str:
        """Its code."""
        return code(task.reason_code)

    @admin.display(description="Size")
    def file_size(self, task: Task) -> str:
        """At the source."""
        return size(task.size)
