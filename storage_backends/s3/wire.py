"""Ranges of large objects, asked for without boto3 and without obstore, which gathers each in new memory.

It only ever makes a shorter way, as `FastObjects` does: what is not answered as hoped for is False, and goes boto3's
way, whose errors are told apart and which tries again.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from storage_backends.objects.fast import PLAIN_KEY
from storage_backends.objects.http import Http
from storage_backends.s3.place import Keys, Place

_NOTHING = hashlib.sha256().hexdigest()
"""Of the body of a request that has none."""


class Wire:
    """One bucket, used by many threads at once."""

    def __init__(self, place: Place, keys: Callable[[], Keys | None], http: Http) -> None:
        """`keys` tells those that are good now, or None. The place names its region."""
        self._base, self._region = address_of(place), place.region or ""
        self._keys, self._http = keys, http

    def read_range(self, key: str, etag: str, offset: int, buffer: memoryview) -> bool:
        """Fill `buffer` with bytes of that version, quotes included."""
        keys = self._keys() if PLAIN_KEY.fullmatch(key) else None
        if keys is None:
            return False
        wanted = {"range": f"bytes={offset}-{offset + len(buffer) - 1}", "if-match": etag}
        url = f"{self._base}/{key}"
        headers = signed("GET", url, wanted, keys, self._region, datetime.now(UTC))
        return self._http.fetch_into(url, headers, buffer)

    def close(self) -> None:
        """Idempotent."""
        self._http.close()


def address_of(place: Place) -> str:
    """Of a bucket, as obstore and boto3 spell it, without a slash at the end."""
    if place.endpoint_url:
        return f"{place.endpoint_url.rstrip('/')}/{place.bucket}"
    if "." in place.bucket:  # which no certificate of theirs covers
        return f"https://s3.{place.region}.amazonaws.com/{place.bucket}"
    return f"https://{place.bucket}.s3.{place.region}.amazonaws.com"


def signed(method: str, url: str, headers: Mapping[str, str], keys: Keys, region: str, now: datetime) -> dict[str, str]:
    """`headers`, whose names are in lower case, and what shows who asks. `url` needs no quoting and has no query."""
    place, moment = urlsplit(url), f"{now:%Y%m%dT%H%M%SZ}"
    all_headers = {**headers, "host": place.netloc, "x-amz-content-sha256": _NOTHING, "x-amz-date": moment}
    all_headers |= {"x-amz-security-token": keys.token} if keys.token else {}
    names = ";".join(sorted(all_headers))
    lines = "".join(f"{name}:{all_headers[name]}\n" for name in sorted(all_headers))
    request = f"{method}\n{place.path}\n\n{lines}\n{names}\n{_NOTHING}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    secret = f"AWS4{keys.secret_key}".encode()
    for step in (*scope.split("/"), text):
        secret = hmac.digest(secret, step.encode(), "sha256")
    credential = f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}"
    return {**all_headers, "authorization": f"{credential}, SignedHeaders={names}, Signature={secret.hex()}"}
