"""A text on a terminal: without what a terminal would obey, and in so many columns."""

from __future__ import annotations

import unicodedata

from storage_backends.names import display_path

_GAP, _MORE = "  ", "…"


def shown(text: str) -> str:
    """`text` that somebody chose (a name, a path of a job) without anything a terminal would obey."""
    return display_path(text.encode(errors="surrogateescape"))


def width(text: str) -> int:
    """Columns of `text`: two for wide East Asian characters and emoji, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """The beginning of `text` in at most so many columns; an ellipsis says that there is more."""
    if width(text) <= columns:
        return text
    kept, left = "", columns - 1
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept += character
    return kept + _MORE if columns > 0 else ""


def cut_front(text: str, columns: int) -> str:
    """The end of `text`: of a path, the name matters more than where it begins."""
    if width(text) <= columns:
        return text
    kept, left = "", columns - 1
    for character in reversed(text):
        left -= _width(character)
        if left < 0:
            break
        kept = character + kept
    return _MORE + kept if columns > 0 else ""


def pad(text: str, columns: int) -> str:
    """`text` with spaces behind it."""
    return text + " " * (columns - width(text))


def fitting(parts: list[str], columns: int) -> str:
    """As many of `parts`, the most important first, as fit on one line; the first one is cut rather than left out."""
    line = cut(parts[0], columns)
    for part in parts[1:]:
        if width(line) + width(_GAP) + width(part) <= columns:
            line += _GAP + part
    return line
