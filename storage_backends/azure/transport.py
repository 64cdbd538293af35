"""HTTP for the SDK: a pool of connections for all threads, time-outs, and no secret in what goes wrong.

* A SAS token is part of every URL, and errors of the libraries below tell URLs.
* What is handed to a socket at once has to be gone before its time-out ends, all of it, and on a new connection that is
  the one for connecting. So a body goes in blocks, and a slow line is not taken for a dead one.
"""

from __future__ import annotations

import io
import re
from typing import Any

import requests
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport

from storage_backends.azure.client import CONNECTIONS
from storage_backends.objects.adapter import ClosingAdapter
from storage_backends.objects.connection import CONNECT_SECONDS, READ_SECONDS

BLOCK_BYTES = 128 << 10
_SIGNATURE = re.compile(r"(?<=[?&]sig=)[^&\s'\")]+")


class Transport(RequestsTransport):  # type: ignore[misc]  # published without types
    """Closed with the client that it was given to."""

    def __init__(self) -> None:
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(pool_maxsize=CONNECTIONS))
        super().__init__(session=session, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)

    def send(self, request: Any, **kwargs: Any) -> Any:
        body = request.data
        if isinstance(body, bytes) and len(body) > BLOCK_BYTES:
            request.data = io.BytesIO(body)
        try:
            return super().send(request, **kwargs)
        except AzureError as error:
            raise type(error)(without_signature(str(error))) from None
        finally:
            request.data = body


def without_signature(text: str) -> str:
    """`text` without what makes a SAS token in its URLs work."""
    return _SIGNATURE.sub("…", text)


class _Adapter(ClosingAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, blocksize=BLOCK_BYTES)
