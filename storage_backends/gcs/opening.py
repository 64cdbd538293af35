"""From `gs://bucket/prefix` to a storage.

`endpoint_url` is for emulators and private endpoints; without it STORAGE_EMULATOR_HOST counts, as for the SDK.
Credentials are those that Google's libraries find by themselves (GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth
application-default login`, the service account of the machine). They are never sent over plain HTTP: what is there is
an emulator, and asked without any.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from storage_backends.errors import BadCredentials, ConfigurationError
from storage_backends.gcs.client import GcsClient
from storage_backends.gcs.storage import GcsStorage
from storage_backends.registry import importing
from storage_backends.url import StorageUrl, endpoint_told

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPES = [f"https://www.googleapis.com/auth/devstorage.{each}" for each in ("full_control", "read_only", "read_write")]
"""As the SDK asks for."""


def open_gcs(url: StorageUrl, path: bytes, create: bool) -> GcsStorage:
    """`gs://bucket/prefix?endpoint_url=…`; there is nothing to create. Raises ConfigurationError, BadCredentials."""
    url.allow_options(("endpoint_url",))
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", url.host):
        raise ConfigurationError("gs: write gs://bucket/prefix, with the name of a bucket and no credentials")
    endpoint = _endpoint(url)
    client = GcsClient(url.host, endpoint, _credentials(endpoint))
    # The names of buckets are the same at every endpoint of the service; each emulator has its own.
    where = f"gs://{urlsplit(endpoint).netloc}/{url.host}" if _is_plain(endpoint) else f"gs://{url.host}"
    return GcsStorage(client, where, url.path, path)


def _endpoint(url: StorageUrl) -> str:
    """Empty for the public service."""
    endpoint = url.options.get("endpoint_url") or os.environ.get("STORAGE_EMULATOR_HOST", "")
    return endpoint_told("gs", endpoint) if endpoint else ""


def _credentials(endpoint: str) -> Credentials | None:
    if _is_plain(endpoint):
        return None
    with importing("gs"):
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError

    try:
        found: Credentials = google.auth.default(scopes=SCOPES)[0]
        return found
    except DefaultCredentialsError as error:
        if endpoint:
            return None
        raise BadCredentials(
            "gs: Google's libraries find no usable credentials; set GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from error


def _is_plain(endpoint: str) -> bool:
    return endpoint.startswith("http://")
