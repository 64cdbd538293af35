"""Which paths a job is about: `exclude` and `include` as gitignore rules.

Excluded paths are left out, whole directories without being listed. Where `include` is given, only files and links
that match it are synced (and the directories on the way to them). `exclude` wins over `include`.

As in git, the last rule that matches a path decides about it, and nothing below an excluded directory can be taken in
again. A path that no rule matches is what the directory it lies in is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

#: `x/**` is all that lies in x (`x/**/`: the directories), but not x itself; pathspec takes it for both.
_ALL_INSIDE = re.compile(r"/\*\*(/?)\s*$")
#: `*`, `**`, `*/`: pathspec has short cuts for these, which do not say how much of a path they matched.
_ANY_NAME = re.compile(r"^(!?)(?:/?\*\*/)*\*{1,2}(/?)\s*$")
#: What pathspec makes of wildcards, and of what stands between them within one name.
_STAR, _STARSTAR = r"\[\^/\]\*", r"\(\?:/\.\+\)\?"
_CLASS = r"\[\^?\]?(?:\\.|[^\]\\])*\](?![*+?])"
_STARS = re.compile(f"(?:{_STAR}){{2,}}")
_UP_TO_THE_NEXT_STAR = re.compile(rf"{_STAR}((?:\\[^/]|{_CLASS}|[^\\/\[\]()*+?|^$])+)(?={_STAR})")
_UP_TO_THE_NEXT_STARSTAR = re.compile(rf"{_STARSTAR}(/(?:(?!{_STARSTAR}).)+)(?={_STARSTAR}/)")


class Rules:
    """A job's rules, compiled once per scan."""

    def __init__(self, exclude: str, include: str) -> None:
        self._exclude = _compile(exclude)
        self._include = _compile(include)

    def __bool__(self) -> bool:
        """Whether there are any rules."""
        return self._exclude is not None or self._include is not None

    @property
    def has_include(self) -> bool:
        """Whether only matching files are synced."""
        return self._include is not None

    @property
    def prune(self) -> Callable[[bytes], bool] | None:
        """For `list_files`: directories that need not be listed. None when there are no rules."""
        return self.is_excluded if self._exclude else None

    def is_excluded(self, path: bytes) -> bool:
        """Whether `exclude` leaves the path out, by itself or with a directory above it."""
        return self._exclude is not None and self._exclude.is_any_matched(os.fsdecode(path))

    def wants(self, path: bytes) -> bool:
        """Whether the path is synced. Directories (path ends in a slash) only have to pass `exclude`."""
        if self.is_excluded(path):
            return False
        return self._include is None or path.endswith(b"/") or self._include.is_nearest_matched(os.fsdecode(path))


class _RuleList:
    """Answers for the paths of one listing; what it found out about the latest directories is kept."""

    def __init__(self, lines: list[str]) -> None:
        lines = [_ANY_NAME.sub(r"\1?*\2", _ALL_INSIDE.sub(r"/**/*\1", line)) for line in lines]
        import pathspec  # 7 ms that a job without rules does not need

        patterns = pathspec.GitIgnoreSpec.from_lines(lines).patterns
        for pattern in patterns:
            pattern.regex = pattern.regex and _in_bounded_time(pattern.regex)
        self._last_first = [pattern for pattern in reversed(patterns) if pattern.include is not None]
        self._is_branch_matched = lru_cache(maxsize=4096)(self._is_matched_from_the_top)
        self._verdict_of_directory = lru_cache(maxsize=4096)(self._verdict)

    def is_any_matched(self, path: str) -> bool:
        """Whether the path or a directory above it is matched."""
        return self._is_branch_matched(_parent(path)) or self._verdict(path) is True

    def is_nearest_matched(self, path: str) -> bool:
        """What is said of the path, or else of the nearest directory above it of which something is said."""
        verdict = self._verdict(path)
        for directory in () if verdict is not None else _parents(path):
            verdict = self._verdict_of_directory(directory)
            if verdict is not None:
                break
        return verdict is True

    def _is_matched_from_the_top(self, directory: str) -> bool:
        return any(self._verdict_of_directory(path) for path in (directory, *_parents(directory)) if path)

    def _verdict(self, path: str) -> bool | None:
        """Of the last rule that matches the path itself and not only a directory above it; None if there is none."""
        for pattern in self._last_first:
            found = pattern.match_file(path)
            if found is not None and found.match.end() == len(path):
                return pattern.include
        return None


def _in_bounded_time(regex: re.Pattern[str]) -> re.Pattern[str]:
    """The same rule, but what stands before a further wildcard is looked for once: its first place is as good as any.
    Trying all of them, `*a*a*a*a*b` would take hours for one name, and nothing else of this process would run."""
    text = _UP_TO_THE_NEXT_STAR.sub(_once, _STARS.sub("[^/]*", regex.pattern))
    return re.compile(_UP_TO_THE_NEXT_STARSTAR.sub(r"(?>(?:/.+?)??\1(?=/))", text), regex.flags)


def _once(found: re.Match[str]) -> str:
    """A class never stands for a slash, as in git."""
    return f"(?>[^/]*?{re.sub(_CLASS, lambda each: f'(?!/){each[0]}', found[1])})"


def _parent(path: str) -> str:
    """The directory a path lies in, with its slash; empty for the root."""
    return path[: path.rfind("/", 0, len(path) - 1) + 1]


def _parents(path: str) -> Iterator[str]:
    """All directories a path lies in, nearest first."""
    while path := _parent(path):
        yield path


def _compile(rules: str) -> _RuleList | None:
    lines = [line for line in rules.splitlines() if line.strip() and not line.startswith("#")]
    return _RuleList(lines) if lines else None
