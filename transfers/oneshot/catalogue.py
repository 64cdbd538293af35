"""Where a one-shot sync keeps what it knows can't be used: what is told instead of a traceback, and what mends it.

Nothing at the sink depends on it: whoever begins a new one pays with a comparison of both sides.
"""

from __future__ import annotations

import errno
import shlex
import sqlite3
from pathlib import Path

from jobs.damage import sqlite_code

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNUSABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)
TROUBLES = (*_DAMAGED, *_UNUSABLE, sqlite3.SQLITE_FULL)
"""SQLite's result codes that tell of the file and not of a mistake of ours."""
_ELSEWHERE = "or set XDG_STATE_HOME to a directory elsewhere; then run it again"


class Met(Exception):
    """Another process of this sync ended by such an error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"SQLite's error {code}")
        self.code = code


def trouble(error: BaseException, file: Path) -> str:
    """What is wrong with the database `file` or its directory, and what to do; empty if `error` tells of neither."""
    if isinstance(error, OSError):
        return _of_the_directory(error, file.parent)
    code = error.code if isinstance(error, Met) else sqlite_code(error)
    if code in _DAMAGED:
        return _is_damaged(file, str(error))
    if code == sqlite3.SQLITE_CANTOPEN and file.is_dir():
        return _is_damaged(file, "it is a directory")
    if code == sqlite3.SQLITE_FULL:
        return _is_full(file.parent)
    return _is_unusable(file, str(error)) if code in _UNUSABLE else ""


def _of_the_directory(error: OSError, directory: Path) -> str:
    path = Path(error.filename or "")
    if not path.is_relative_to(directory):
        return ""
    if error.errno in _NO_SPACE:
        return _is_full(directory)
    why = "Not a directory" if isinstance(error, FileExistsError) else error.strerror or str(error)
    return _is_unusable(path, why)


def _is_damaged(file: Path, why: str) -> str:
    name = shlex.quote(str(file))
    return (
        f"{file}, where a sync keeps what it knows, is damaged ({why}). Move it aside (mv {name} {name}.damaged) and "
        "run it again: both sides are compared anew, and nothing at the sink is lost."
    )


def _is_full(directory: Path) -> str:
    return f"{directory}, where a sync keeps what it knows, is full. Make room there, {_ELSEWHERE}."


def _is_unusable(path: Path, why: str) -> str:
    return (
        f"{path}, where a sync keeps what it knows, can't be used ({why}). See to it that you may read and write "
        f"it and its directory, {_ELSEWHERE}."
    )
