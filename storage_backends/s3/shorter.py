"""The way past boto3, and the keys that what goes there is signed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from storage_backends.errors import StorageError
from storage_backends.objects.http import pool
from storage_backends.objects.shorter import ShorterWay
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.s3 import sdk
from storage_backends.s3.failures import asking
from storage_backends.s3.place import Keys, Place, keys_in
from storage_backends.s3.wire import Wire, address_of


def shorter_way(place: Place, environment: Mapping[str, str]) -> ShorterWay:
    """With the keys of the environment, or those that boto3 finds and renews. Closed without any: boto3 says which ones
    it looked for."""
    if keys := keys_in(environment, place):
        return _wire(place, lambda: keys)
    with asking(place.bucket):
        session = sdk.session(place.profile)
        if session.get_credentials() is None:
            return ShorterWay()
        there = place._replace(region=sdk.region_of(place, session))
        return _wire(there, lambda: _keys_now(place.bucket, session))


def _keys_now(bucket: str, session: Any) -> Keys | None:
    """None where they can't be renewed: boto3 says why."""
    with suppress(StorageError), asking(bucket):
        return sdk.keys_of(session)
    return None


def _wire(place: Place, keys: Callable[[], Keys | None]) -> ShorterWay:
    http = pool(address_of(place), REQUESTS_IN_FLIGHT)
    return Wire(place, keys, http) if http else ShorterWay()
