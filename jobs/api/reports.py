"""A job's files as documents, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from jobs import reports
from jobs.api.answers import JobOut
from jobs.api.tracking import ReportOut, SummaryOut
from jobs.models import Job
from jobs.progress import overviews
from jobs.words import iso_moment


class WhateverIsAccepted(BaseContentNegotiation):
    """A document has one form, which its name says; only refusals are rendered, as JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first there is."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


Handler = TypeVar("Handler", bound=Callable[..., HttpResponseBase])


def _document(name: str, media_type: str) -> Callable[[Handler], Handler]:
    """The schema of a document that is no JSON."""
    return extend_schema(operation_id=name, filters=False, responses={(200, media_type): OpenApiTypes.STR})


class ReportActions:
    """`report.csv`, `report.json` and `SHA256SUMS` of one job. Memory stays flat with millions of files."""

    permission_of: ClassVar = {"report_csv": "view_job", "report_json": "view_job", "sha256sums": "view_job"}

    @_document("jobs_report_csv", "text/csv")
    @action(detail=True, url_path=r"report\.csv", content_negotiation_class=WhateverIsAccepted)
    def report_csv(self: Any, request: Request, pk: str) -> HttpResponseBase:
        """Every file with size, SHA-256, state, reason, slave and times, as CSV.

        Safe to open in a spreadsheet: a name that could be taken for a formula has an apostrophe in front."""
        job = self.get_object()
        return _streamed(request, job, reports.csv_chunks(job.pk), "report.csv", "text/csv; charset=utf-8")

    @extend_schema(operation_id="jobs_report_json", filters=False, responses=OpenApiResponse(ReportOut))
    @action(detail=True, url_path=r"report\.json", content_negotiation_class=WhateverIsAccepted)
    def report_json(self: Any, request: Request, pk: str) -> HttpResponseBase:
        """The job, its totals, and every file with size, SHA-256, state, reason, slave and times, as JSON."""
        job = self.get_object()
        seen = overviews([job.pk])
        head = {
            "generated_at": iso_moment(timezone.now()),
            "job": JobOut(job, context={"overviews": seen}).data,
            "summary": SummaryOut(seen[str(job.pk)].progress).data,
        }
        return _streamed(request, job, reports.json_chunks(job.pk, head), "report.json", "application/json")

    @_document("jobs_sha256sums", "text/plain")
    @action(detail=True, url_path="SHA256SUMS", content_negotiation_class=WhateverIsAccepted)
    def sha256sums(self: Any, request: Request, pk: str) -> HttpResponseBase:
        """Every completed file's SHA-256 and name, for `sha256sum -c` in the sink's directory."""
        job = self.get_object()
        return _streamed(request, job, reports.checksum_chunks(job.pk), "SHA256SUMS", "text/plain; charset=utf-8")


def _streamed(
    request: Request, job: Job, chunks: Iterator[bytes], name: str, content_type: str
) -> HttpResponse | StreamingHttpResponse:
    """The document as a download; to HEAD only what it would be."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type, headers=headers)
    return StreamingHttpResponse(chunks, content_type=content_type, headers=headers)
