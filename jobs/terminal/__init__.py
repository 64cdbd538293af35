"""How jobs look on a terminal: words for numbers, tables, and a display that is drawn anew while something happens.

Everything that shows names takes them as `display_path` made them: no control character ever reaches the terminal.
"""

from __future__ import annotations

import os
from typing import TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be drawn over there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
