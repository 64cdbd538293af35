"""Local storage: `file:///absolute/root[?shared=1]`.

::

    storage.py                        `LocalStorage`
    system.py  failures.py            the seam to the kernel, and errno in sentences
    beneath.py  identity.py           nothing leads out of the root, and where that really lies
    listing.py  reading.py            a tree in byte order; files, links and single names
    partials.py                       who may write one
    resuming.py  upload.py            one large file: taken up, and on its way
    batch.py                          many small ones
        making.py  fresh.py           each is made, and given owner, mode and times
        folders.py  directories.py    the directories that they are in
        trees.py  contents.py         new directories, and whether they hold what they have to
        unsynced.py  devices.py       what is not durable yet, and on which file systems
        staged.py  naming.py          what waits for its name, and gets it
    remains.py                        what dead attempts left of new directories
    existing.py  attributes.py        what stands there already; owner, mode and times
    directory_pass.py                 directories get theirs at the end
    spelling.py                       file systems that take two names for one
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
