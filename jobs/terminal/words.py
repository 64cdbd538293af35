"""Texts that are safe to show."""

from __future__ import annotations

from storage_backends.names import display_path


def shown(text: str) -> str:
    """`text` that somebody chose (a name, a path of a job) without anything a terminal would obey."""
    return display_path(text.encode(errors="surrogateescape"))
