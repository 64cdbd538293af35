"""What a stream can show."""

from __future__ import annotations

import os
from typing import TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be drawn over there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
