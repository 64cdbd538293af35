"""SQLite's library, told to keep no account of its memory.

It locks a mutex for every piece of memory otherwise, a dozen for each row that is written: a fifth of what a row costs.
"""

from __future__ import annotations

import ctypes
import importlib
from contextlib import suppress

_MEMSTATUS = 9
"""SQLITE_CONFIG_MEMSTATUS"""


def count_no_memory() -> None:
    """To be called while this process has no connection: Python has begun to use the library when it is imported, and
    it listens only to who ends with it and begins again. Does nothing where it is a part of Python itself."""
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(importlib.import_module("_sqlite3").__file__)  # it is found through who is linked with it
        configure = library.sqlite3_config
        library.sqlite3_shutdown()
        configure(_MEMSTATUS, 0)
        library.sqlite3_initialize()
