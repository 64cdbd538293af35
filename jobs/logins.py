"""Who logs in with a password, and how often that may be tried. The admin's login page is the only place for it; the
browsable API sends people there, and the API takes keys only."""

from __future__ import annotations

import logging
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from jobs.allowances import Limit, forget, give_back, take

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)

_QUARTER_HOUR = 15 * 60
OF_NAME_AT_ADDRESS = Limit("login: a name from one address", 5, _QUARTER_HOUR)
OF_ADDRESS = Limit("login: an address", 30, _QUARTER_HOUR)
OF_NAME = Limit("login: a name from anywhere", 100, 4 * _QUARTER_HOUR)
"""So high that strangers need many addresses to lock somebody out, and so low that guessing takes years."""


def client_address(request: HttpRequest) -> str:
    """Where a request comes from, as the outermost trusted proxy saw it. Of IPv6 the /64: everybody has a whole one."""
    forwarded = [word.strip() for word in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    proxies = min(settings.TRUSTED_PROXIES, len(forwarded))
    told = (forwarded[-proxies] if proxies else "") or request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(told)
    except ValueError:
        return told[:100]
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))


class LimitedLogin(ModelBackend):
    """Django's own, but each try is counted *before* the password is looked at: a thousand at once get no further, and
    a refused one costs no hashing. `request.login_wait` then says how many seconds to wait."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> User | None:
        """The user; None for a wrong name or password. Raises PermissionDenied, which asks no other backend either,
        after too many of them."""
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **others)  # nobody at a distance asks
        address = client_address(request)
        subjects = {OF_ADDRESS: address, OF_NAME_AT_ADDRESS: f"{address}\0{username}", OF_NAME: username}
        self._count(request, subjects)
        user = super().authenticate(request, username, password, **others)
        if user is not None:
            give_back(OF_ADDRESS, address)  # not forgotten: an account of one's own must not buy more guesses
            give_back(OF_NAME, username)
            forget(OF_NAME_AT_ADDRESS, subjects[OF_NAME_AT_ADDRESS])
        return user

    def _count(self, request: HttpRequest, subjects: dict[Limit, str]) -> None:
        for limit, subject in subjects.items():
            if wait := take(limit, subject).wait:
                log.warning("too many logins (%s) from %s: refused for %d s", limit.name, client_address(request), wait)
                vars(request)["login_wait"] = wait
                raise PermissionDenied
