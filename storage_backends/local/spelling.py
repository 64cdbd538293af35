"""File systems that take two spellings for one name: `a` and `A`, or an accent written as one character or as two.

What is published under the second spelling would replace the file that stands under the first one. A directory that
folds case shows it by our own partial, which is found there in capitals as well. Accents are looked at for the few
names that can be written in two ways.

Two directories would become one, with the files of both. A directory has one name, so that one which is found under
another spelling too is looked up among the names that are really there.
"""

from __future__ import annotations

import errno
import os
import unicodedata
from typing import Literal

from storage_backends.errors import NameCollision
from storage_backends.local import system
from storage_backends.local.beneath import HANDLE, READ_DIRECTORY, explain, open_beneath
from storage_backends.local.failures import show

_EXISTS_OR_CANT_TELL = (errno.EEXIST, errno.EINVAL, errno.ENOSYS)
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def folds_case(folder_fd: int, partial: bytes) -> bool:
    """Whether names that differ in case alone are the same here; `partial` stands in `folder_fd`."""
    return _is_same(folder_fd, partial, partial.swapcase())


def give_name(folder_fd: int, partial: bytes, name: bytes, path: bytes, *, folds: bool) -> None:
    """Rename `partial` to `name`. Raises NameCollision if that means a file which is spelled otherwise, also one that
    another slave publishes at this moment; OSError."""
    if folds or not name.isascii():
        try:
            return system.rename_new(partial, name, dir_fd=folder_fd)
        except OSError as error:
            if error.errno not in _EXISTS_OR_CANT_TELL:
                raise
        if folds or _is_respelled(folder_fd, name, _normalised(name)):
            _refuse_other(folder_fd, name, path)
    system.rename(partial, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)


class Directories:
    """Those below `root` that are known to be spelled as they are called."""

    def __init__(self, root: int) -> None:
        self._root, self._known = root, {b""}

    def check(self, path: bytes) -> None:
        """Raise NameCollision if the existing `path`, or one above it, is spelled otherwise; StorageError."""
        if path in self._known:
            return
        above = b""
        for name in path.split(b"/"):
            here = above + b"/" + name if above else name
            if here not in self._known:
                self._check(above, name, here)
                self._known.add(here)
            above = here

    def _check(self, above: bytes, name: bytes, path: bytes) -> None:
        others = _normalised(name) | {os.fsencode(os.fsdecode(name).swapcase())} - {name}
        if not others:
            return
        try:
            handle = open_beneath(self._root, above, HANDLE | os.O_DIRECTORY)
            try:
                if _is_respelled(handle, name, others):
                    self._refuse(handle, name, path)
            finally:
                os.close(handle)
        except OSError as error:
            raise explain(error, self._root, path) from error

    def _refuse(self, handle: int, name: bytes, path: bytes) -> None:
        readable = system.open(b".", READ_DIRECTORY, dir_fd=handle)
        try:
            _refuse_other(readable, name, path)
        finally:
            os.close(readable)


def _refuse_other(folder_fd: int, name: bytes, path: bytes) -> None:
    if not _is_same(folder_fd, name, name):
        return
    names = {os.fsencode(each) for each in os.listdir(folder_fd)}
    if name not in names:
        other = next((each for each in names if _is_same(folder_fd, name, each)), b"another spelling")
        raise NameCollision(
            f"{show(path)} and {show(other)} are the same name for this file system; rename one of them at the source"
        )


def _normalised(name: bytes) -> set[bytes]:
    """Other ways to write its accents."""
    text = os.fsdecode(name)
    return set() if name.isascii() else {os.fsencode(unicodedata.normalize(form, text)) for form in _FORMS} - {name}


def _is_respelled(folder_fd: int, name: bytes, others: set[bytes]) -> bool:
    return any(_is_same(folder_fd, name, other) for other in others)


def _is_same(folder_fd: int, one: bytes, other: bytes) -> bool:
    try:
        # The other first: mostly it is not there, and nothing more need be asked.
        found = [system.stat(name, dir_fd=folder_fd, follow_symlinks=False) for name in (other, one)]
    except FileNotFoundError:
        return False
    return (found[0].st_dev, found[0].st_ino) == (found[1].st_dev, found[1].st_ino)
