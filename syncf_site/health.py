"""GET /health: can this installation work? Open to everybody, so it says what is wrong but never why (the log does)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.readiness import missing_migrations
from transfers.broker.errors import BrokerError
from transfers.queue import open_queue

logger = logging.getLogger(__name__)


class NotReady(Exception):
    """Reachable, but not in a state to work with."""


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """`{status, checks}`: 503 `down` without a usable database, 200 `degraded` without the broker, else 200 `ok`.

    Without the broker work goes on, only slower. Takes seconds at most: the probes' own connect timeouts bound it."""
    checks = {"database": _ask("database", _probe_database), "migrations": "unknown", "broker": "unknown"}
    if checks["database"] == "ok":
        checks["migrations"] = _ask("migrations", _require_migrations)
    if checks["migrations"] != "ok":
        return JsonResponse({"status": "down", "checks": checks}, status=503)
    checks["broker"] = _ask("broker", _probe_broker)
    return JsonResponse({"status": "ok" if checks["broker"] == "ok" else "degraded", "checks": checks})


def _ask(name: str, probe: Callable[[], None]) -> str:
    try:
        probe()
    except (DatabaseError, BrokerError, NotReady) as error:
        logger.warning("health: %s is down: %s", name, error)
        return "down"
    return "ok"


def _probe_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@cache  # what was applied stays applied; a raise is not remembered
def _require_migrations() -> None:
    if missing_migrations():
        raise NotReady("migrations are missing; run `manage.py migrate`")


def _probe_broker() -> None:
    with open_queue() as broker:
        broker.probe()
