"""The garbage collector, told what kind of program this is."""

from __future__ import annotations

import gc

#: Objects made between two looks. A batch makes thousands of tuples that die with it and hold no cycles; with
#: Python's default (700) the collector looked through all of them, and now and then through all of Django.
MADE_BETWEEN = 50_000


def keep_what_is_loaded() -> None:
    """Call once everything is imported: it stays, and the collector need not look at it again and again."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(MADE_BETWEEN, 20, 50)
