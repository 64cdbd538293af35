"""Local storage: `file:///absolute/root[?shared=1]`.

`beneath` keeps everything below the root · `partials` says who may write one · `upload` writes one large file, `batch`
many small ones (`making` each, `trees` new directories, `unsynced` until they are durable, `naming` at the end) ·
`reading` and `listing` read · `directories`, `attributes`, `identity` do what their names say · `system` is the seam
to the kernel and `failures` turns errno into sentences.
"""

from __future__ import annotations

from storage_backends.errors import ConfigurationError
from storage_backends.local.storage import LocalStorage
from storage_backends.url import StorageUrl

__all__ = ["LocalStorage", "open_local"]


def open_local(url: StorageUrl, path: bytes, create: bool) -> LocalStorage:
    """`?shared=1` says that every machine sees the same files there. Raises ConfigurationError."""
    url.allow_options({"shared"})
    if url.host or not url.path.startswith(b"/"):
        raise ConfigurationError("file: write the absolute path after three slashes, as in file:///data")
    if b"\0" in url.path or b".." in url.path.split(b"/"):
        raise ConfigurationError("file: the root is an absolute path without '..'")
    return LocalStorage(url.path, path, is_shared=url.flag("shared"), create=create)
