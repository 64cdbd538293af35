"""boto3, for whatever goes no shorter way. It is imported when something asks for it."""

from __future__ import annotations

from functools import cache
from typing import Any

from storage_backends.errors import ConfigurationError
from storage_backends.objects.connection import CONNECT_SECONDS, READ_SECONDS
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.registry import importing
from storage_backends.s3.place import Keys, Place

PARTS_IN_FLIGHT = 4


def client_of(place: Place) -> Any:
    """A client of its own connections. Raises ConfigurationError."""
    found = session(place.profile)
    try:
        api = found.client(
            "s3", region_name=region_of(place, found), endpoint_url=place.endpoint_url, config=_config(place)
        )
    except ValueError as error:
        raise ConfigurationError(f"bucket {place.bucket}: {error}") from error
    api.meta.events.register("before-call.s3.HeadBucket", _ask_once)
    return api


def _ask_once(context: dict[str, Any], **_: Any) -> None:
    """Where a bucket is said to be elsewhere, botocore asks for its region; where that is answered likewise it would
    ask again, without end."""
    context.setdefault("s3_redirect", {})["redirected"] = True


@cache
def session(profile: str | None) -> Any:
    """One for the process: the second client costs 3 ms where the first takes 100."""
    with importing("s3"):
        import boto3

    return boto3.session.Session(profile_name=profile)


def region_of(place: Place, session: Any) -> str:
    """The one that is named, in the URL or where boto3 looks for it."""
    return place.region or session.region_name or "us-east-1"


def keys_of(session: Any) -> Keys:
    """As boto3 has them now."""
    found = session.get_credentials().get_frozen_credentials()
    return Keys(found.access_key, found.secret_key, found.token)


def _config(place: Place) -> Any:
    with importing("s3"):
        from botocore.config import Config

    return Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=REQUESTS_IN_FLIGHT + PARTS_IN_FLIGHT,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True, "addressing_style": "path" if place.endpoint_url else "auto"},
    )
