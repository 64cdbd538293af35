"""Where a bucket is, and the keys that stand in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """Where a bucket is, without any secret."""

    bucket: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None


class Keys(NamedTuple):
    """Credentials that do not expire. Never printed."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return "Keys(…)"


def keys_in(environment: Mapping[str, str], place: Place) -> Keys | None:
    """The first step of boto3's chain, which needs no boto3: keys in the environment, where the URL names no profile
    and nothing else is to be found out. None leaves it to boto3."""
    access_key, secret_key = (environment.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    is_for_boto3 = place.profile or not place.region or environment.get("AWS_CREDENTIAL_EXPIRATION")
    if is_for_boto3 or not access_key or not secret_key:
        return None
    return Keys(access_key, secret_key, environment.get("AWS_SESSION_TOKEN") or environment.get("AWS_SECURITY_TOKEN"))
