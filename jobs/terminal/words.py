"""Numbers as people read them."""

from __future__ import annotations

from storage_backends.names import display_path

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
#: Longer than this nothing is foretold.
_MOST_SECONDS = 100 * 86400


def human_bytes(count: float) -> str:
    """1.5 GiB."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{int(count)} B"


def human_seconds(seconds: float) -> str:
    """2:03, 1:02:03, 3 d 4 h, or more than 100 days."""
    if seconds > _MOST_SECONDS:
        return "more than 100 days"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days} d {hours_left} h"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def human_percent(fraction: float) -> str:
    """42 %, rounded down: 100 % means done."""
    return f"{int(fraction * 100)} %"


def shown(text: str) -> str:
    """`text` that somebody chose (a name, a path of a job) without anything a terminal would obey."""
    return display_path(text.encode(errors="surrogateescape"))
