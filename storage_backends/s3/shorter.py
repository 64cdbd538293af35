"""The ways past boto3, and the keys that what goes there is signed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from obstore.store import S3Store

from storage_backends.errors import StorageError
from storage_backends.objects.fast import ONCE, FastObjects, client_options
from storage_backends.objects.http import pool
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.s3 import sdk
from storage_backends.s3.failures import asking
from storage_backends.s3.place import Keys, Place, keys_in
from storage_backends.s3.wire import Wire, address_of

KEYS_LAST = timedelta(minutes=5)


class Ways(NamedTuple):
    """Those that are open."""

    fast: FastObjects | None = None
    wire: Wire | None = None


def shorter_ways(place: Place, environment: Mapping[str, str]) -> Ways:
    """With the keys of the environment, or those that boto3 finds and renews. None without any: boto3 says which ones
    it looked for."""
    if keys := keys_in(environment, place):
        return _ways(place, lambda: keys, _lasting(keys))
    with asking(place.bucket):
        session = sdk.session(place.profile)
        if session.get_credentials() is None:
            return Ways()
        expiring = {"credential_provider": lambda: _expiring(sdk.keys_of(session))}
        there = place._replace(region=sdk.region_of(place, session))
        return _ways(there, lambda: _keys_now(place.bucket, session), expiring)


def _keys_now(bucket: str, session: Any) -> Keys | None:
    """None where they can't be renewed: boto3 says why."""
    with suppress(StorageError), asking(bucket):
        return sdk.keys_of(session)
    return None


def _ways(place: Place, keys: Callable[[], Keys | None], credentials: Mapping[str, Any]) -> Ways:
    http = pool(address_of(place), REQUESTS_IN_FLIGHT)
    return Ways(_fast(place, credentials), Wire(place, keys, http) if http else None)


def _fast(place: Place, credentials: Mapping[str, Any]) -> FastObjects:
    store = S3Store(
        place.bucket,
        region=place.region,
        virtual_hosted_style_request=place.endpoint_url is None and "." not in place.bucket,
        unsigned_payload=False,
        client_options=client_options(place.endpoint_url),
        retry_config=ONCE,
        config={"endpoint": place.endpoint_url} if place.endpoint_url else {},
        **credentials,
    )
    return FastObjects(store)


def _lasting(keys: Keys) -> dict[str, Any]:
    """Arguments of obstore's store."""
    token = {"session_token": keys.token} if keys.token else {}
    return {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, **token}


def _expiring(keys: Keys) -> dict[str, Any]:
    """What obstore takes from a provider of credentials."""
    token = {"token": keys.token} if keys.token else {}
    expires = {"expires_at": datetime.now(UTC) + KEYS_LAST}
    return {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, **token, **expires}
