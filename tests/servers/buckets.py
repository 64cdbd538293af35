"""Empty places of a test's own on the shared servers."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tests.servers import swift
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import AZURITE, GCS, MOTO, SFTP, SWIFT, Kind, ensure

S3_PROFILES = {MOTO.name: ("moto", "any", "key"), SWIFT.name: ("swift", swift.KEY_ID, swift.SECRET)}


def write_s3_profiles(file: Path) -> Path:
    """A shared credentials file that lets in everywhere; for AWS_SHARED_CREDENTIALS_FILE."""
    file.write_text(
        "".join(
            f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
            for profile, key, secret in S3_PROFILES.values()
        )
    )
    return file


@contextmanager
def s3_bucket(kind: Kind) -> Iterator[str]:
    """The storage URL of an empty bucket; emptied and removed afterwards."""
    import boto3

    profile, key, secret = S3_PROFILES[kind.name]
    endpoint, bucket = ensure(kind), _name()
    resource = boto3.resource(
        "s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
    )
    resource.create_bucket(Bucket=bucket)
    try:
        yield f"s3://{bucket}?endpoint_url={quote(endpoint)}&profile={profile}"
    finally:
        client = resource.meta.client
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", ()):
                client.delete_object(Bucket=bucket, Key=entry["Key"])
        client.delete_bucket(Bucket=bucket)
        client.close()


@contextmanager
def azure_container(endpoint: str = "") -> Iterator[str]:
    """The storage URL of an empty container, removed afterwards; on the shared azurite where no other is named. Its key
    is expected in AZURE_STORAGE_KEY."""
    from azure.storage.blob import BlobServiceClient

    endpoint, container = endpoint or ensure(AZURITE), _name()
    key = {"account_name": AZURITE_ACCOUNT, "account_key": AZURITE_KEY}
    with BlobServiceClient(endpoint, credential=key) as service:
        service.create_container(container)
        try:
            yield f"azure://{AZURITE_ACCOUNT}/{container}?endpoint_url={quote(endpoint)}"
        finally:
            service.delete_container(container)


@contextmanager
def gcs_bucket() -> Iterator[str]:
    """The storage URL of an empty bucket; emptied and removed afterwards."""
    from google.api_core.exceptions import Conflict
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    endpoint, name = ensure(GCS), _name()
    client = storage.Client("none", AnonymousCredentials(), client_options={"api_endpoint": endpoint})
    try:
        bucket = client.create_bucket(name)
        yield f"gs://{name}?endpoint_url={quote(endpoint)}"
    finally:
        for blob in client.list_blobs(name):
            blob.delete()
        with suppress(Conflict):  # a session that was begun and never finished holds it, and the emulator ends none
            bucket.delete()
        client.close()


@contextmanager
def sftp_directory() -> Iterator[str]:
    """The storage URL of an empty directory, removed afterwards. The server has this machine's files."""
    server, name = urlsplit(ensure(SFTP)), _name()
    place = Path(unquote(server.path)) / name
    place.mkdir()
    try:
        yield server._replace(path=f"{server.path}/{name}").geturl()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _name() -> str:
    return f"syncf-{secrets.token_hex(8)}"
