"""Buckets for tests: on gcp-storage-emulator as it is, or with its faults put right."""

from __future__ import annotations

import json
import urllib.request
import uuid

from tests.servers.ensure import GCS, ensure


def emulator_url() -> str:
    """Of the one that the tests share."""
    return ensure(GCS)


def new_bucket(endpoint: str) -> str:
    """The storage URL of a bucket that nobody else uses."""
    name = f"syncf-test-{uuid.uuid4().hex}"
    body = json.dumps({"name": name}).encode()
    request = urllib.request.Request(
        f"{endpoint}/storage/v1/b?project=test", body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=60).close()
    return f"gs://{name}?endpoint_url={endpoint}"
