"""File systems that take two spellings for one name: `a` and `A`, or an accent written as one character or as two.

What is published under the second spelling would replace the file that stands under the first one. A directory that
folds case shows it by our own partial, which is found there in capitals as well. Accents are looked at for the few
names that can be written in two ways.
"""

from __future__ import annotations

import os
import unicodedata
from typing import Literal

from storage_backends.errors import NameCollision
from storage_backends.local import system
from storage_backends.local.failures import show

_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def folds_case(folder_fd: int, partial: bytes) -> bool:
    """Whether names that differ in case alone are the same here; `partial` stands in `folder_fd`."""
    return _is_same(folder_fd, partial, partial.swapcase())


def refuse_other_spelling(folder_fd: int, name: bytes, path: bytes, *, folds: bool) -> None:
    """Raise NameCollision if `name` means a file that is spelled otherwise; OSError."""
    if not folds and (name.isascii() or not _is_respelled(folder_fd, name)):
        return
    if not _is_same(folder_fd, name, name):
        return
    names = {os.fsencode(each) for each in os.listdir(folder_fd)}
    if name not in names:
        other = next((each for each in names if _is_same(folder_fd, name, each)), b"another spelling")
        raise NameCollision(
            f"{show(path)} and {show(other)} are the same name for this file system; rename one of them at the source"
        )


def _is_respelled(folder_fd: int, name: bytes) -> bool:
    text = os.fsdecode(name)
    forms = {os.fsencode(unicodedata.normalize(form, text)) for form in _FORMS} - {name}
    return any(_is_same(folder_fd, name, form) for form in forms)


def _is_same(folder_fd: int, one: bytes, other: bytes) -> bool:
    try:
        found = [system.stat(name, dir_fd=folder_fd, follow_symlinks=False) for name in (one, other)]
    except FileNotFoundError:
        return False
    return (found[0].st_dev, found[0].st_ino) == (found[1].st_dev, found[1].st_ino)
