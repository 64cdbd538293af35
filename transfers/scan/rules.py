"""Which paths a job is about: `exclude` and `include` as gitignore rules.

Excluded paths are left out, whole directories without being listed. Where `include` is given, only files and links
that match it are synced (and the directories on the way to them). `exclude` wins over `include`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache

import pathspec

_SLASH = ord("/")


class Rules:
    """A job's rules, compiled once per scan."""

    def __init__(self, exclude: str, include: str) -> None:
        self._exclude = _compile(exclude)
        self._include = _compile(include)

    @property
    def has_include(self) -> bool:
        """Whether only matching files are synced."""
        return self._include is not None

    @property
    def prune(self) -> Callable[[bytes], bool] | None:
        """For `list_files`: directories that need not be listed. None when there are no rules."""
        return self.is_excluded if self._exclude else None

    def is_excluded(self, path: bytes) -> bool:
        """Whether `exclude` leaves the path out."""
        return self._exclude is not None and self._exclude.match_file(os.fsdecode(path))

    def wants(self, path: bytes) -> bool:
        """Whether the path is synced. Directories (path ends in a slash) only have to pass `exclude`."""
        if self._exclude is None and self._include is None:
            return True
        if self.is_excluded(path) or (self._exclude and self._is_below_excluded(path)):
            return False
        return self._include is None or path.endswith(b"/") or self._include.match_file(os.fsdecode(path))

    def _is_below_excluded(self, path: bytes) -> bool:
        """As in git: nothing below an excluded directory can be taken in again."""
        return _is_branch_excluded(self, path[: path.removesuffix(b"/").rfind(b"/") + 1])


@lru_cache(maxsize=4096)
def _is_branch_excluded(rules: Rules, directory: bytes) -> bool:
    """Whether the directory or one above it is excluded."""
    ends = (index + 1 for index, byte in enumerate(directory) if byte == _SLASH)
    return any(rules.is_excluded(directory[:end]) for end in ends)


def _compile(rules: str) -> pathspec.GitIgnoreSpec | None:
    lines = [line for line in rules.splitlines() if line.strip() and not line.startswith("#")]
    return pathspec.GitIgnoreSpec.from_lines(lines) if lines else None
