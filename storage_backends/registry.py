"""From a storage URL to its storage. Backends are imported only when a URL asks for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple, cast

from storage_backends.base import Storage
from storage_backends.errors import ConfigurationError
from storage_backends.url import StorageUrl


class Backend(NamedTuple):
    """Where a backend's opening function lives, and what has to be installed for it."""

    module: str
    function: str
    requirements: str = ""
    """The file that pins its SDK; empty where the standard library is enough."""


BACKENDS = {
    "file": Backend("storage_backends.local", "open_local"),
    "gs": Backend("storage_backends.gcs", "open_gcs", "requirements/gcs.txt"),
    "memory": Backend("storage_backends.memory", "open_memory"),
}
"""URL scheme → backend. The function takes `(url: StorageUrl, path: bytes, create: bool)`."""


def open_storage(url: str, path: bytes = b"", *, create: bool = False) -> Storage:
    """The storage at `url`, rooted at the directory or prefix `path` below the operator's root.

    `create` makes that directory (never the operator's root itself), durably. Raises ConfigurationError for a bad
    URL, an unknown scheme or a missing SDK, BadPath for a path that is not canonical.
    """
    parsed = StorageUrl.parse(url)
    backend = BACKENDS.get(parsed.scheme)
    if backend is None:
        raise ConfigurationError(f"unknown kind of storage {parsed.scheme!r}; known: {', '.join(sorted(BACKENDS))}")
    return _load(parsed.scheme, backend)(parsed, path, create)


def _load(scheme: str, backend: Backend) -> Callable[[StorageUrl, bytes, bool], Storage]:
    try:
        module = importlib.import_module(backend.module)
    except ImportError as error:
        hint = f"pip install -r {backend.requirements}" if backend.requirements else "is the installation complete?"
        raise ConfigurationError(f"{scheme}:// needs {error.name}, which is not installed: {hint}") from error
    return cast("Callable[[StorageUrl, bytes, bool], Storage]", getattr(module, backend.function))
