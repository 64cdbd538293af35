"""What a listing tells, checked: sizes and versions that are none, and pages that lead back to one that was read."""

from __future__ import annotations

from storage_backends.errors import StorageError
from storage_backends.objects.client import quoted

MOST_DIGITS = 18
"""Of a size in bytes: more than any service holds, and less than a catalogue can."""


def size_told(key: str, told: object) -> int:
    """The size of an object in bytes, as an answer tells it. Raises StorageError if that is none."""
    text = str(told)
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        raise StorageError(f"{quoted(key)}: the storage tells {text[:40]!r} as its size; look at what answers there")
    return int(text)


def version_told(key: str, told: str | None) -> str:
    """The version of an object. Raises StorageError if there is none: it would be taken for nothing."""
    if not told:
        raise StorageError(f"{quoted(key)}: the storage tells no version of it; look at what answers there")
    return told


class Way:
    """From page to page of one listing."""

    def __init__(self, where: str) -> None:
        """`where` begins the message, as in "bucket photos"."""
        self._where, self._last = where, ""
        self._tokens: set[str] = set()
        """Of pages that were asked for since a page ended with a key beyond all earlier ones."""

    def onward(self, token: str, last_key: str) -> str:
        """`token`, of the page after one that ends with `last_key` (empty: it lists nothing). Raises StorageError if
        that was asked for already, and nothing new was listed since: it would be asked for without end."""
        # Only a key beyond all earlier ones is new: pages that lead to each other end with different keys, too. Where
        # the service has another order, as Azure has, a few more tokens are remembered.
        if last_key > self._last:
            self._tokens.clear()
            self._last = last_key
        if token in self._tokens:
            raise StorageError(f"{self._where}: the listing leads from page to page and never ends")
        self._tokens.add(token)
        return token
