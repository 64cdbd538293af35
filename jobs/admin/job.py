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
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from jobs import selectors, services
from jobs.admin.base import HistoryKeeper
from jobs.admin.columns import JobChangeList, JobColumns
from jobs.admin.create import CreateViews, may_discard
from jobs.admin.forms import OPTIONS, PATHS, PREVIEW, JobForm, NewJobForm
from jobs.admin.live import live
from jobs.admin.panels import job_panels
from jobs.admin.verbs import START, VERBS, Verb, may, perform
from jobs.drafts import is_draft
from jobs.models import Job


def _action(verb: Verb) -> Callable[..., HttpResponse | None]:
    def act(model_admin: JobAdmin, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return model_admin.act(request, verb, jobs)

    act.__name__ = verb.name
    described: Callable[..., HttpResponse | None] = admin.action(description=f"{verb.label} selected jobs")(act)
    return described


@admin.register(Job)
class JobAdmin(JobColumns, CreateViews, HistoryKeeper):
    """What is synced is set once; how it is synced can be changed while it runs."""

    actions = tuple(_action(verb) for verb in VERBS.values())
    change_form_template = "admin/jobs/job/change_form.html"
    change_list_template = "admin/jobs/job/change_list.html"
    list_display = ("title", "state", "progress", "speed", "fresh", "failed", "every", "next_scan")
    list_display_links = ("title",)
    list_filter = ("status", "source_type", "sink_type")
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("name", "source_path", "sink_path")
    sortable_by = ()

    ABOUT = ("next_scan", "history", "owner", "created_at")

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
        """What is synced, the options, then the rest; how it goes stands above the form."""
        what, how = ("What", {"fields": PATHS}), ("How", {"fields": OPTIONS})
        return (what, how, ("About", {"fields": self.ABOUT})) if obj else (what, how)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nothing but options changes after creation."""
        return (*self.ABOUT, *PATHS) if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form's services have saved it. What will not be kept is said now, not found out afterwards."""
        for sentence in [] if change else services.losses(obj):
            self.message_user(request, sentence, messages.WARNING)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """To the job, whose page shows it at work, or what it would do."""
        if PREVIEW in request.POST or "_save" in request.POST:
            is_preview = PREVIEW in request.POST
            said = "is looked at; nothing is copied yet" if is_preview else "was created and is scanned now"
            messages.success(request, f"“{obj}” {said}.")
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[obj.pk]))
        return super().response_add(request, obj, post_url_continue)

    # ── steer ─────────────────────────────────────────────────────────────────────────────────────────────────

    def get_actions(self, request: HttpRequest) -> Any:
        """Only those the user holds the permission for."""
        found = super().get_actions(request)
        return {name: action for name, action in found.items() if name not in VERBS or may(request, VERBS[name])}

    def get_urls(self) -> list[URLPattern]:
        """One address for all the buttons on a job, one for what changes on a page, and those around the form."""
        wrap = self.admin_site.admin_view
        return [
            path("live/", wrap(self.live), name="jobs_job_live"),
            *self.create_urls(),
            path("<path:object_id>/do/<str:verb>/", wrap(self.do), name="jobs_job_do"),
            *super().get_urls(),
        ]

    def live(self, request: HttpRequest) -> HttpResponse:
        """See `jobs.admin.live`."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return live(request)

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
        reason = request.POST.get("reason", "")
        drafts = [job for job in jobs if is_draft(job)] if verb.name == "resume" else []
        perform(request, START, drafts)
        others = [job for job in jobs if job not in drafts]
        perform(request, verb, others, **({"reason_code": reason} if reason and verb.name == "retry" else {}))
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
        """The form below, how the job goes above, with a button for every verb that its state allows."""
        job: Any = self.get_object(request, object_id) if self.has_view_permission(request) else None
        extra = {"panels": job_panels(request, job), "may_discard": may_discard(request, job)} if job else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    @admin.display(description="History")
    def history(self, job: Job) -> SafeString:
        """Links to what happened."""
        links = [
            (reverse(f"admin:jobs_{name}_changelist"), job.pk, label)
            for name, label in (("task", "files"), ("scan", "scans"), ("jobevent", "events"))
        ]
        return format_html_join(" · ", '<a href="{}?job__exact={}">{}</a>', links)
