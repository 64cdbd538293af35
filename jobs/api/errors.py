"""Every error of the API has one shape: `{code, message, field, hint}`, the last two empty where they say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.settings import api_settings
from rest_framework.utils.serializer_helpers import ReturnDict

from jobs.api.throttling import too_many_refused
from jobs.errors import Refusal


class BodyTooLarge(exceptions.APIException):
    """More than DATA_UPLOAD_MAX_MEMORY_SIZE."""

    status_code, default_detail, default_code = 413, "The body is too large.", "body_too_large"


class Answer(NamedTuple):
    """What the client is told."""

    status: int
    code: str
    message: str
    field: str = ""
    hint: str = ""


_HINTS = {
    401: "Send the header 'Authorization: Token <key>'; `manage.py apitoken USER` makes a key.",
    415: "Send 'Content-Type: application/json'.",
    429: "Wait as many seconds as the header Retry-After says.",
}
_LOGIN_HINT = "In a browser: log in with the link at the top right. Anywhere else: send 'Authorization: Token <key>'."
_NOT_FOUND = Answer(404, "NOT_FOUND", "There is nothing of that name, or nothing that you may see.")


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (a server error) only for what is our own mistake."""
    answer = _answer(error)
    if answer is None:
        return None
    if answer.status == 401 and (throttled := too_many_refused(context["request"])):
        return handle(throttled, context)
    if answer.status == 401 and "text/html" in context["request"].headers.get("Accept", ""):
        answer = answer._replace(hint=_LOGIN_HINT)
    # A message quotes what was sent, and JSON can send half a character ("\\ud800") that no answer can carry.
    message = answer.message.encode(errors="backslashreplace").decode()
    body = {"code": answer.code, "message": message, "field": answer.field, "hint": answer.hint}
    serializer = _serializer_of(error)
    return Response(
        body if serializer is None else ReturnDict(body, serializer=serializer), answer.status, headers=_headers(error)
    )


def _answer(error: Exception) -> Answer | None:
    match error:
        case Refusal():
            return Answer(error.status, error.code, error.message, error.field, error.hint)
        case exceptions.ValidationError():
            return _first_mistake(error.detail)
        case Http404():
            return _NOT_FOUND
        case exceptions.APIException():
            status = error.status_code
            return Answer(status, str(error.get_codes()).upper(), str(error.detail), hint=_HINTS.get(status, ""))
        case _:
            return _answer_django(error)


def _answer_django(error: Exception) -> Answer | None:
    match error:
        case RequestDataTooBig():
            return Answer(413, "BODY_TOO_LARGE", "The body is too large.")
        case SuspiciousOperation() | BadRequest() | MultiPartParserError():
            return Answer(400, "BAD_REQUEST", "The request can't be understood.")
        case DjangoPermissionDenied():
            return Answer(403, "PERMISSION_DENIED", str(error) or "You may not do that.")
        case OperationalError() | InterfaceError():
            return Answer(503, "DATABASE_UNAVAILABLE", "The database does not answer.", hint="Try again in a moment.")
    return None


def _first_mistake(detail: Any, field: str = "") -> Answer:
    """The first of the errors, as deep as they are nested; `field` is the outermost name."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        outer = "" if name == api_settings.NON_FIELD_ERRORS_KEY else str(name)
        return _first_mistake(inner, field or outer)
    if isinstance(detail, list | tuple):
        return _first_mistake(detail[0], field)
    code = str(detail.code).upper() if isinstance(detail, ErrorDetail) else "INVALID"
    return Answer(400, code, str(detail), field)


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, OperationalError | InterfaceError):
        return {"Retry-After": "5"}
    found = {"WWW-Authenticate": getattr(error, "auth_header", None), "Retry-After": getattr(error, "wait", None)}
    return {name: str(value) for name, value in found.items() if value}


# ── the browsable API's forms ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def shown_at(serializer: BaseSerializer[Any]) -> Iterator[None]:
    """A Refusal inside also becomes an error at the serializer's field, so that the HTML form shows it there."""
    try:
        yield
    except Refusal as refusal:
        known = refusal.field in getattr(serializer, "fields", ())
        field = refusal.field if known else api_settings.NON_FIELD_ERRORS_KEY
        errors = {field: [refusal.in_full]}
        vars(serializer).update(_validated_data={}, _errors=errors)
        vars(refusal).update(serializer=serializer)
        raise


def _serializer_of(error: Exception) -> Any:
    return getattr(error, "serializer", None) or getattr(getattr(error, "detail", None), "serializer", None)
