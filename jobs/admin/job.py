"""Jobs in the admin: create, change options, and steer. The status is moved by buttons, never by a form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil

from jobs import selectors, services
from jobs.admin.base import HistoryKeeper
from jobs.admin.display import NOTHING, badge, bar, size
from jobs.admin.forms import OPTIONS, PATHS, JobForm, NewJobForm
from jobs.admin.verbs import VERBS, Verb, may, perform
from jobs.durations import format_interval
from jobs.models import Job
from jobs.states import JobStatus, TaskStatus


class JobChangeList(ChangeList):
    """Looks up progress for the whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Every row carries `overview`."""
        super().get_results(request)
        jobs: list[Any] = list(self.result_list)
        found = selectors.overviews([job.pk for job in jobs])
        for job in jobs:
            job.overview = found[str(job.pk)]
        self.result_list = jobs


def _action(verb: Verb) -> Callable[..., HttpResponse | None]:
    def act(model_admin: JobAdmin, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return model_admin.act(request, verb, jobs)

    act.__name__ = verb.name
    described: Callable[..., HttpResponse | None] = admin.action(description=f"{verb.label} selected jobs")(act)
    return described


@admin.register(Job)
class JobAdmin(HistoryKeeper):
    """What is synced is set once; how it is synced can be changed while it runs."""

    actions = tuple(_action(verb) for verb in VERBS.values())
    change_form_template = "admin/jobs/job/change_form.html"
    list_display = ("title", "state", "progress", "failed", "every", "next_scan")
    list_display_links = ("title",)
    list_filter = ("status", "source_type", "sink_type")
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("name", "source_path", "sink_path")
    sortable_by = ()

    STATE = ("state", "progress", "tasks", "next_scan", "last_scan", "history", "owner", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Only what this user may see, as in the API."""
        return selectors.visible_jobs(request.user).order_by("-created_at")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """See `JobChangeList`."""
        return JobChangeList

    # ── form ──────────────────────────────────────────────────────────────────────────────────────────────────

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form that acts in the name of who fills it in."""
        base = JobForm if change else NewJobForm
        form: Any = super().get_form(request, obj, change, **{"form": base, **kwargs})
        form.user = request.user
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """State above, what is synced, then the options."""
        what, how = ("What", {"fields": PATHS}), ("How", {"fields": OPTIONS})
        return (("State", {"fields": self.STATE}), what, how) if obj else (what, how)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nothing but options changes after creation."""
        return (*self.STATE, *PATHS) if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form's services have saved it. What will not be kept is said now, not found out afterwards."""
        for sentence in [] if change else services.losses(obj):
            self.message_user(request, sentence, messages.WARNING)

    # ── steer ─────────────────────────────────────────────────────────────────────────────────────────────────

    def get_actions(self, request: HttpRequest) -> Any:
        """Only those the user holds the permission for."""
        found = super().get_actions(request)
        return {name: action for name, action in found.items() if name not in VERBS or may(request, VERBS[name])}

    def get_urls(self) -> list[URLPattern]:
        """One address for all the buttons on a job."""
        view = self.admin_site.admin_view(self.do)
        return [path("<path:object_id>/do/<str:verb>/", view, name="jobs_job_do"), *super().get_urls()]

    def do(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """A button on a job was pressed."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = self.get_object(request, object_id)
        if job is None or verb not in VERBS:
            raise Http404
        back = HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
        return self.act(request, VERBS[verb], self.get_queryset(request).filter(pk=job.pk)) or back

    def act(self, request: HttpRequest, verb: Verb, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Perform the verb; what can't be undone only after a second page. None: back to where one was."""
        if not may(request, verb):
            raise PermissionDenied
        if verb.is_destructive and request.POST.get("confirmed") != "yes":
            return self._ask(request, verb, jobs)
        perform(request, verb, jobs)
        return None

    def _ask(self, request: HttpRequest, verb: Verb, jobs: QuerySet[Job]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb.label}: are you sure?",
            "verb": verb,
            "jobs": jobs,
            "opts": self.opts,
            "media": self.media,
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/jobs/job/confirm.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With a button for every verb that the user may use and the job's state allows."""
        job: Any = self.get_object(request, object_id)
        verbs = [verb for verb in VERBS.values() if job and job.status in verb.possible_in and may(request, verb)]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "verbs": verbs})

    # ── columns ───────────────────────────────────────────────────────────────────────────────────────────────

    @admin.display(description="Job")
    def title(self, job: Job) -> SafeString:
        """Its name, and what it syncs."""
        route = f"{job.source_type}:{job.source_path} → {job.sink_type}:{job.sink_path}"
        return format_html('{}<br><span class="syncf-quiet">{}</span>', job.name, route) if job.name else escape(route)

    @admin.display(description="Status")
    def state(self, job: Job) -> SafeString:
        """As a badge, and why nothing is copied although the job is running."""
        shown = badge(job.status, _overview(job).progress.by_status[TaskStatus.FAILED])
        if not job.parked_code:
            return shown
        why = (job.parked_code, job.parked_text)
        return format_html('{} <span class="syncf-parked">{}: {}</span>', shown, *why)

    @admin.display(description="Interval")
    def every(self, job: Job) -> str:
        """As Go writes it."""
        return format_interval(job.interval) or "once"

    @admin.display(description="Next scan")
    def next_scan(self, job: Job) -> str:
        """How long until then; nothing where none will come."""
        if job.next_scan_at is None or job.status != JobStatus.RUNNING:
            return NOTHING
        return "due" if job.next_scan_at <= timezone.now() else f"in {timeuntil(job.next_scan_at)}"

    @admin.display(description="Progress")
    def progress(self, job: Job) -> SafeString:
        """By bytes."""
        progress = _overview(job).progress
        return bar(progress.percent, f"{progress.files} file{pluralize(progress.files)}, {size(progress.bytes_total)}")

    @admin.display(description="Failed")
    def failed(self, job: Job) -> SafeString | str:
        """How many files, linked to them."""
        count = _overview(job).progress.by_status[TaskStatus.FAILED]
        return _tasks_link(job, TaskStatus.FAILED, str(count)) if count else NOTHING

    @admin.display(description="Files")
    def tasks(self, job: Job) -> SafeString:
        """Counts by status, each linked to its files."""
        counts = _overview(job).progress.by_status
        links = [(badge(status), _tasks_link(job, status, str(count))) for status, count in counts.items() if count]
        return format_html_join(" ", "{} {}", links) or format_html("{}", NOTHING)

    @admin.display(description="Last scan")
    def last_scan(self, job: Job) -> SafeString | str:
        """Its outcome, linked to it."""
        scan = _overview(job).last_scan
        if scan is None:
            return NOTHING
        url = reverse("admin:jobs_scan_change", args=[scan.pk])
        text = f"{scan.new} new, {scan.changed} changed, {scan.unchanged} unchanged, {scan.errors} errors"
        return format_html('{} <a href="{}">{}</a> {}', badge(scan.phase), url, text, scan.error_text)

    @admin.display(description="History")
    def history(self, job: Job) -> SafeString:
        """Links to what happened."""
        links = [
            (reverse(f"admin:jobs_{name}_changelist"), job.pk, label)
            for name, label in (("task", "files"), ("scan", "scans"), ("jobevent", "events"))
        ]
        return format_html_join(" · ", '<a href="{}?job__exact={}">{}</a>', links)


def _overview(job: Any) -> selectors.Overview:
    """As the list has looked it up; alone on its own page."""
    if not hasattr(job, "overview"):
        job.overview = selectors.overviews([job.pk])[str(job.pk)]
    overview: selectors.Overview = job.overview
    return overview


def _tasks_link(job: Job, status: str, text: str) -> SafeString:
    url = reverse("admin:jobs_task_changelist")
    return format_html('<a href="{}?job__exact={}&amp;status__exact={}">{}</a>', url, job.pk, status, text)
