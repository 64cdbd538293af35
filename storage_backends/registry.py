"""From a storage URL to its storage. Backends are imported only when a URL asks for them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from storage_backends.base import Storage
from storage_backends.errors import ConfigurationError
from storage_backends.url import StorageUrl


class Backend(NamedTuple):
    """Where a backend's opening function lives, and what has to be installed for it."""

    module: str
    function: str
    extra: str = ""
    """`requirements/<extra>.txt` pins its SDK; empty where the standard library is enough."""
    packages: tuple[str, ...] = ()
    """What that SDK is imported as."""


if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints


BACKENDS = {
    "azure": Backend("storage_backends.azure", "open_azure", "azure", ("azure.storage.blob",)),
    "file": Backend("storage_backends.local", "open_local"),
    "gs": Backend("storage_backends.gcs", "open_gcs", "gcs", ("google.cloud.storage",)),
    "memory": Backend("storage_backends.memory", "open_memory"),
    "s3": Backend("storage_backends.s3", "open_s3", "s3", ("boto3",)),
    "sftp": Backend("storage_backends.sftp", "open_sftp", "sftp", ("paramiko",)),
}
"""URL scheme → backend. The function takes `(url: StorageUrl, path: bytes, create: bool)`."""

ENTRY_POINTS = "syncf.storages"
"""The group in which other packages announce theirs: `scheme = "module:function"`."""

Opener = Callable[[StorageUrl, bytes, bool], Storage]


def open_storage(url: str, path: bytes = b"", *, create: bool = False) -> Storage:
    """The storage at `url`, rooted at the directory or prefix `path` below the operator's root.

    `create` makes that directory (never the operator's root itself), durably. Raises ConfigurationError for a bad
    URL, an unknown scheme or a missing SDK, BadPath for a path that is not canonical.
    """
    parsed = StorageUrl.parse(url)
    backend = BACKENDS.get(parsed.scheme)
    opener = _announced(parsed.scheme) if backend is None else _load(parsed.scheme, backend)
    return opener(parsed, path, create)


def load(url: str) -> None:
    """Import the backend of this URL now, for a process that is about to fork. What is missing, wrong or broken is told
    when it is opened."""
    with suppress(Exception):
        backend = BACKENDS.get(StorageUrl.parse(url).scheme)
        if backend:
            importlib.import_module(backend.module)


def what_is_missing(url: str) -> str:
    """Why this installation can open no storage of such a URL, and what to type; empty if nothing is missing."""
    scheme = StorageUrl.parse(url).scheme
    backend = BACKENDS.get(scheme)
    if backend is None:
        return "" if _entry_point(scheme) else _unknown(scheme)
    missing = [package for package in backend.packages if not _is_installed(package)]
    return _needs(scheme, missing[0], backend) if missing else ""


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it lies in: `google` of `google.cloud.storage`
        return False


@contextmanager
def importing(scheme: str) -> Iterator[None]:
    """Around what a backend imports, at once or when it is needed. Raises ConfigurationError with what to type."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(_needs(scheme, error.name or "a package", BACKENDS[scheme])) from error
    except Exception as error:  # whatever a package may do while it is imported
        raise ConfigurationError(_is_broken(scheme, error, BACKENDS[scheme])) from error


def _load(scheme: str, backend: Backend) -> Opener:
    with importing(scheme):
        module = importlib.import_module(backend.module)
    return cast("Opener", getattr(module, backend.function))


def _announced(scheme: str) -> Opener:
    found = _entry_point(scheme)
    if found is None:
        raise ConfigurationError(_unknown(scheme))
    try:
        return cast("Opener", found.load())
    except Exception as error:
        raise ConfigurationError(f"{scheme}://: {found.value} of another package can't be loaded: {error}") from error


def _entry_point(scheme: str) -> EntryPoint | None:
    return next(iter(_entry_points().select(name=scheme)), None)


def _entry_points() -> EntryPoints:
    """Imported late: 10 ms, and hardly ever needed."""
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def _unknown(scheme: str) -> str:
    known = sorted({*BACKENDS, *(found.name for found in _entry_points())})
    return f"unknown kind of storage {scheme!r}; known: {', '.join(known)}"


def _needs(scheme: str, package: str, backend: Backend) -> str:
    hint = f"type: make setup EXTRAS={backend.extra}, or: {_pip(backend)}" if backend.extra else _IS_COMPLETE
    return f"{scheme}:// needs {package}, which is not installed; {hint}"


def _is_broken(scheme: str, error: Exception, backend: Backend) -> str:
    said = " ".join(f"{type(error).__name__}: {error}".split())
    hint = f"install it anew: {_pip(backend)} --force-reinstall" if backend.extra else _IS_COMPLETE
    return f"{scheme}:// can't be used, because what it needs is broken ({said}); {hint}"


_IS_COMPLETE = "is the installation complete?"


def _pip(backend: Backend) -> str:
    return f"{sys.executable} -m pip install --require-hashes -r requirements/{backend.extra}.txt"
