"""A table of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.terminal.columns import pad, width


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the last one is not filled up."""
    widths = [max(map(width, column)) for column in zip(head, *rows, strict=True)]
    lines = ("  ".join(map(pad, row, widths)).rstrip() for row in (head, *rows))
    return "\n".join(lines)
