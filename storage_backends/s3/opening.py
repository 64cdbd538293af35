"""From `s3://bucket/prefix` to a storage. Credentials come from boto3's own chain (environment, profile, role)."""

from __future__ import annotations

import os

from storage_backends.errors import ConfigurationError
from storage_backends.s3.client import S3Client
from storage_backends.s3.place import Place
from storage_backends.s3.storage import S3Storage
from storage_backends.url import StorageUrl, endpoint_told


def open_s3(url: StorageUrl, path: bytes, create: bool) -> S3Storage:
    """The bucket must exist; below it there is nothing to create. Raises ConfigurationError, BadCredentials."""
    url.allow_options(("endpoint_url", "region", "profile"))
    if not url.host or "@" in url.host:
        raise ConfigurationError("s3: write s3://bucket/prefix; credentials stand in the environment or a profile")
    options = {name: value for name, value in url.options.items() if value}
    if endpoint := options.get("endpoint_url"):
        options["endpoint_url"] = endpoint_told("s3", endpoint)
    options.setdefault("region", os.environ.get("AWS_DEFAULT_REGION", ""))
    place = Place(url.host, **{name: value for name, value in options.items() if value})
    return S3Storage(S3Client(place, os.environ), place, url.path, path)
