"""Around the form for a new job: choose a path, try the connection, look at what the job would do.

Every one of them is a button of the form itself and a page of its own, so nothing needs a script: what was typed goes
along as hidden fields and comes back with the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from jobs import drafts
from jobs.admin.base import HistoryKeeper
from jobs.admin.forms import OPTIONS, PATHS
from jobs.admin.verbs import VERBS, may
from jobs.browsing import Listing, connection_report, list_directory, path_of, token_of
from jobs.durations import format_interval
from jobs.errors import Refusal
from jobs.models import Job
from jobs.storages import Side, root_of

if TYPE_CHECKING:
    Base = HistoryKeeper
else:
    Base = object


class CreateViews(Base):
    """Mixed into the jobs' admin."""

    def create_urls(self) -> list[URLPattern]:
        """Before Django's own, which would take them for ids."""
        wrap = self.admin_site.admin_view
        return [
            path("add/browse/<str:side>/", wrap(self.browse), name="jobs_job_browse"),
            path("add/back/", wrap(self.back), name="jobs_job_back"),
            path("add/test/", wrap(self.test), name="jobs_job_test"),
            path("<path:object_id>/discard/", wrap(self.discard), name="jobs_job_discard"),
        ]

    def browse(self, request: HttpRequest, side: str) -> HttpResponse:
        """One directory of the storage that is chosen on that side."""
        if (refused := self._refused(request)) is not None:
            return refused
        if side not in ("source", "sink"):
            raise Http404
        place = cast("Side", side)
        alias = request.POST.get(f"{side}_type", "")
        try:
            listing = list_directory(alias, self._asked(request, alias, place), place)
        except Refusal as refusal:
            if "go" not in request.POST and request.POST.get(f"{side}_path", "/") != "/":
                return self.browse(_with(request, {"go": token_of(b"")}), side)  # what was typed does not exist
            messages.error(request, refusal.in_full)
            return self.back(request)
        return self._page(request, side, alias, listing)

    def _page(self, request: HttpRequest, side: str, alias: str, listing: Listing) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Choose the {side}",
            "opts": self.opts,
            "media": self.media,
            "side": side,
            "alias": alias,
            "listing": listing,
            "fields": _typed_fields(request),
        }
        return TemplateResponse(request, "admin/jobs/job/browse.html", context)

    def _asked(self, request: HttpRequest, alias: str, side: Side) -> bytes:
        """The directory of the button that was pressed; at first the one that is typed in."""
        if "go" in request.POST:
            return path_of(request.POST["go"], side)
        return root_of(alias, request.POST.get(f"{side}_path") or "/", side).path

    def back(self, request: HttpRequest) -> HttpResponse:
        """The form again, with what was typed and perhaps a path that was chosen."""
        if (refused := self._refused(request)) is not None:
            return refused
        fields = QueryDict(mutable=True)
        fields.update(dict(_typed_fields(request)))
        side, _, chosen = request.POST.get("use", "").partition(":")
        if side in ("source", "sink"):
            fields[f"{side}_path"] = chosen
        request.method, request.GET = "GET", fields  # type: ignore[assignment]
        return self.add_view(request, form_url=reverse("admin:jobs_job_add"))

    def test(self, request: HttpRequest) -> HttpResponse:
        """Can the web reach both sides?"""
        if (refused := self._refused(request)) is not None:
            return refused
        for side in ("source", "sink"):
            place: Side = "source" if side == "source" else "sink"
            alias, typed = request.POST.get(f"{side}_type", ""), request.POST.get(f"{side}_path", "")
            try:
                messages.success(request, connection_report(alias, typed, place))
            except Refusal as refusal:
                messages.error(request, f"{side.capitalize()}: {refusal.in_full}")
        return self.back(request)

    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A job that was only looked at goes; its form comes back filled in."""
        if (refused := self._refused(request)) is not None:
            return refused
        job: Any = self.get_object(request, object_id)
        if job is None:
            raise Http404
        if not may_discard(request, job):
            raise PermissionDenied
        try:
            drafts.discard(job)
        except Refusal as refusal:
            messages.error(request, refusal.in_full)
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[object_id]))
        messages.success(request, "The job was discarded; nothing was copied. Here is what it would have been.")
        return self.back(_with(request, _form_values(job)))

    def _refused(self, request: HttpRequest) -> HttpResponse | None:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return None if request.method == "POST" else HttpResponseRedirect(reverse("admin:jobs_job_add"))


def may_discard(request: HttpRequest, job: Job) -> bool:
    """One's own drafts go with the permission that made them, those of others with that to kill."""
    is_own = job.owner_id is not None and job.owner_id == request.user.pk
    return request.user.has_perm("jobs.add_job") if is_own else may(request, VERBS["kill"])


def _with(request: HttpRequest, values: dict[str, str]) -> HttpRequest:
    fields = request.POST.copy()
    for name, value in values.items():
        fields[name] = value
    request.POST = fields  # type: ignore[assignment]
    return request


def _typed_fields(request: HttpRequest) -> list[tuple[str, str]]:
    return [(name, request.POST[name]) for name in (*PATHS, *OPTIONS) if name in request.POST]


def _form_values(job: Job) -> dict[str, str]:
    values = {name: getattr(job, name) for name in (*PATHS, *OPTIONS)}
    values["interval"] = format_interval(job.interval) or ""
    return {name: str(value) for name, value in values.items() if value is not None}
