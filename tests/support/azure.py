"""A container of a test's own on azurite, seen directly and through a proxy."""

from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from azure.storage.blob import ContainerClient

from tests.servers import buckets
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import AZURITE, ensure

KEY = {"account_name": AZURITE_ACCOUNT, "account_key": AZURITE_KEY}


def azurite_port() -> int:
    return urlsplit(ensure(AZURITE)).port or 80


@contextmanager
def new_container():
    """Its name."""
    with buckets.azure_container() as url:
        yield urlsplit(url).path.strip("/")


def storage_url(container: str, port: int, **options: str) -> str:
    """The storage URL of a container behind that port."""
    endpoint = quote(f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}")
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"azure://{AZURITE_ACCOUNT}/{container}?endpoint_url={endpoint}{more}"


def container_client(container: str) -> ContainerClient:
    """As another program would open it."""
    return ContainerClient(ensure(AZURITE), container, credential=KEY, retry_total=0)
