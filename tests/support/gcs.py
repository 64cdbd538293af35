"""Buckets for tests: on gcp-storage-emulator as it is, or with its faults put right."""

from __future__ import annotations

import json
import os
import urllib.request
import uuid

import pytest


def emulator_url() -> str:
    """Missing is a failure under CI, else a skip that names what to do."""
    if url := os.environ.get("SYNCF_TEST_GCS_URL"):
        return url
    missing = "set SYNCF_TEST_GCS_URL to the URL of a gcp-storage-emulator"
    (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


def new_bucket(endpoint: str) -> str:
    """The storage URL of a bucket that nobody else uses."""
    name = f"syncf-test-{uuid.uuid4().hex}"
    body = json.dumps({"name": name}).encode()
    request = urllib.request.Request(
        f"{endpoint}/storage/v1/b?project=test", body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=20).close()
    return f"gs://{name}?endpoint_url={endpoint}"
