"""Sizes, speeds, durations, shares and moments as people read them, on every surface alike: terminal, admin, log."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_LENGTHS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
#: Longer than this nothing is foretold.
_MOST_SECONDS = 100 * 86400


def human_bytes(count: float) -> str:
    """1.5 GiB: units of 1,024."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{int(count)} B"


def human_speed(bytes_per_second: float) -> str:
    """1.5 GiB/s."""
    return f"{human_bytes(bytes_per_second)}/s"


def human_seconds(seconds: float) -> str:
    """Two units: 45 s, 3 min 20 s, 1 h 12 min, 5 d 3 h; or more than 100 days."""
    if seconds > _MOST_SECONDS:
        return "more than 100 days"
    whole = round(seconds)
    for length, unit, below, smaller in _LENGTHS:
        if whole >= length:
            rest = whole % length // below
            return f"{whole // length} {unit} {rest} {smaller}" if rest else f"{whole // length} {unit}"
    return f"{whole} s"


def human_percent(fraction: float) -> str:
    """42 %, rounded down: 100 % means done."""
    return f"{int(fraction * 100)} %"


def ago(moment: datetime) -> str:
    """3 min 20 s ago."""
    return f"{human_seconds(max(0.0, (timezone.now() - moment).total_seconds()))} ago"


def iso_moment(moment: datetime) -> str:
    """2026-01-31T12:00:00.5Z: of a moment in UTC, as the API writes all of them."""
    return moment.isoformat().replace("+00:00", "Z")
