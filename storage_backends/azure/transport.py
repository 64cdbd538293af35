"""HTTP for the SDK: a pool of connections for all threads, time-outs, and no secret in what goes wrong.

A SAS token is part of every URL, and errors of the libraries below tell URLs.
"""

from __future__ import annotations

import re
from typing import Any

import requests
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

from storage_backends.objects.storage import REQUESTS_IN_FLIGHT

PARTS_IN_FLIGHT = 4
CONNECTIONS = REQUESTS_IN_FLIGHT + 2 * PARTS_IN_FLIGHT
"""Kept open: what small objects and ranges use at once, an upload, and the caller itself."""
CONNECT_SECONDS, READ_SECONDS = 10, 60
"""The second one is the longest silence between two bytes of an answer."""
_SIGNATURE = re.compile(r"(?<=[?&]sig=)[^&\s'\")]+")


class Transport(RequestsTransport):  # type: ignore[misc]  # published without types
    """Closed with the client that it was given to."""

    def __init__(self) -> None:
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, _ClosingAdapter(pool_maxsize=CONNECTIONS))
        super().__init__(session=session, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)

    def send(self, request: Any, **kwargs: Any) -> Any:
        try:
            return super().send(request, **kwargs)
        except AzureError as error:
            raise type(error)(without_signature(str(error))) from None


def without_signature(text: str) -> str:
    """`text` without what makes a SAS token in its URLs work."""
    return _SIGNATURE.sub("…", text)


class _ClosingAdapter(HTTPAdapter):
    """Its `close` ends the connections at once, and not when the last error that came over one is forgotten."""

    def close(self) -> None:
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 (it can't be iterated over)
            pools[key].close()
        super().close()
