"""The end of a database connection that is in trouble."""

from __future__ import annotations

import gc
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase


def hang_up() -> None:
    """Close this thread's connection for good, so that the next one begins anew. Call it after the `except` block that
    caught the error, not in it.

    SQLite keeps a closed connection as long as a statement of it is referred to: here by the traceback of the error,
    which refers to itself. And all connections of a process share one view of the file: if its first opening went wrong
    so that it may only be read, every next one would find that view, until the last of the old ones is gone."""
    connection.close()
    gc.collect()


def after_trouble(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a request that met an error of the database leaves no connection to the next one."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if connection.errors_occurred:
            hang_up()
        return response

    return respond
