"""What a browser is told it may do with our pages, and that somebody tried too often to get in."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.debug import SafeExceptionReporterFilter

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the pages of Django REST framework have style attributes
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""No script but our own files: a name that got into a page as HTML all the same could run nothing."""


class Reporter(SafeExceptionReporterFilter):
    """What a report of a server error (DEBUG's pages, mails) shows of settings and variables: URLs hold passwords."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|URL|STORAGES_CONFIGURED|EMAIL|WEBHOOK", re.IGNORECASE
    )


Answer = Callable[[HttpRequest], HttpResponse]


def content_security_policy(get_response: Answer) -> Answer:
    """Middleware: the policy goes with every response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return middleware


def too_many_logins(get_response: Answer) -> Answer:
    """Middleware: a login that was not even tried (`jobs.logins`) is a 429."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if wait := getattr(request, "login_wait", 0):
            response.status_code = 429
            response.headers["Retry-After"] = str(wait)
        return response

    return middleware
