"""How much one user may ask, and how often somebody may come with a key that is none."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from jobs.allowances import Limit, Ration
from jobs.logins import client_address

REFUSED_A_MINUTE = 60

_ration = Ration()


class PerUser(BaseThrottle):
    """API_REQUESTS_PER_MINUTE for each user, whatever keys and sessions they come with."""

    _wait = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Nobody is let through here: permissions have refused them before."""
        if request.user.is_authenticated:
            limit = Limit("api: requests of a user", settings.API_REQUESTS_PER_MINUTE, 60)
            self._wait = _ration.wait(limit, str(request.user.pk))
        return not self._wait

    def wait(self) -> float:
        """Seconds."""
        return self._wait


def too_many_refused(request: Request) -> Throttled | None:
    """Count a request that was answered with 401. Whoever has a key is never kept out by others at the same address."""
    try:
        wait = _ration.wait(Limit("api: refused keys", REFUSED_A_MINUTE, 60), client_address(request._request))
    except (OperationalError, InterfaceError):
        return None
    return Throttled(wait) if wait else None
