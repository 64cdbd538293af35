"""What changes on a page while somebody looks at it, as JSON: asked for every two seconds, only while the tab is seen.

Streaming would hold a web worker for every open tab; a short answer every now and then holds none.
"""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, JsonResponse

from jobs import selectors
from jobs.admin.columns import live_cells
from jobs.admin.panels import job_panels, overview_panels

MOST_ROWS = 100


def live(request: HttpRequest) -> JsonResponse:
    """`?page=overview`, `?page=job&id=…` or `?page=list&id=…&id=…` (the rows in sight): name of a part → its HTML."""
    ids = [identifier for text in request.GET.getlist("id")[:MOST_ROWS] if (identifier := _uuid(text))]
    jobs = selectors.visible_jobs(request.user).filter(pk__in=ids)
    match request.GET.get("page"):
        case "overview":
            parts = overview_panels(request)
        case "list":
            parts = live_cells(list(jobs))
        case "job" if job := jobs.first():
            parts = job_panels(request, job)
        case _:
            raise Http404
    answer = JsonResponse({"parts": parts})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
