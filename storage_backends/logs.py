"""One event, one line: what a name or a server said can't look like a line of its own, nor steer a terminal."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any

from storage_backends.names import printable


class OneLine(logging.Formatter):
    """Control characters and others that do not print are escaped. A traceback keeps its lines, marked as its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The first line."""
        return printable(super().formatMessage(record))

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Lines that begin unlike any event."""
        return _marked(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The same."""
        return _marked(super().formatStack(stack_info))


def _marked(text: Any) -> str:
    return "\n".join(f"  | {printable(line)}" for line in str(text).split("\n"))
