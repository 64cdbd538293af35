"""Every kind of storage as aliases of one installation, each with an empty place of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage_backends.base import FileInfo
from storage_backends.registry import open_storage
from tests.servers import buckets
from tests.servers.cloud import AZURITE_KEY
from tests.servers.ensure import GCS, MOTO, SFTP, ensure
from tests.support.gcs import new_bucket

SMALL = 1 << 20
KINDS = ("local", "s3", "gcs", "azure", "sftp")


@contextmanager
def storages(directory: Path) -> Iterator[dict[str, str]]:
    """Environment for the product: STORAGE_S3, STORAGE_GCS, STORAGE_AZURE, STORAGE_SFTP, and what lets it in."""
    profiles = buckets.write_s3_profiles(directory / "aws")
    with ExitStack() as stack:
        yield {
            "STORAGE_S3": stack.enter_context(buckets.s3_bucket(MOTO)),
            "STORAGE_GCS": new_bucket(ensure(GCS)),
            "STORAGE_AZURE": stack.enter_context(buckets.azure_container()),
            "STORAGE_SFTP": sftp_place(),
            "AWS_SHARED_CREDENTIALS_FILE": str(profiles),
            "AZURE_STORAGE_KEY": AZURITE_KEY,
        }


def sftp_place() -> str:
    """The URL of an empty directory at the server; it goes with the server."""
    server = urlsplit(ensure(SFTP))
    place = Path(unquote(server.path)) / secrets.token_hex(8)
    place.mkdir()
    return server._replace(path=f"{server.path}/{place.name}").geturl()


def contents(url: str, path: str) -> dict[bytes, bytes]:
    """Every file below `path` with its bytes."""
    storage = open_storage(url, path.encode())
    try:
        files = [entry for entry in storage.list_files() if isinstance(entry, FileInfo) and entry.kind == "file"]
        small = [entry.path for entry in files if entry.size <= SMALL]
        storage.prefetch(small, SMALL)
        found = {name: storage.read_whole(name, SMALL)[1] for name in small}
        big = [entry.path for entry in files if entry.size > SMALL]
        return found | {name: b"".join(storage.read_file(name)) for name in big}
    finally:
        storage.close()
