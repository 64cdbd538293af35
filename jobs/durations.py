"""Go durations (`5m`, `1h30m`, `1.5h`), in and out in Go's canonical form."""

from __future__ import annotations

import re
from datetime import timedelta

import durationpy

from jobs.errors import Refusal
from jobs.models import MAX_INTERVAL, MIN_INTERVAL

# durationpy also takes days and longer units, which Go refuses.
_GO = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_HINT = "Write a Go duration from 1s to 8784h (366 days), such as 30s, 5m or 1h30m."


def parse_interval(text: str, *, field: str = "interval") -> timedelta | None:
    """A Go duration; empty or zero means: run once (None). Raises Refusal INVALID_INTERVAL."""
    if text in ("", "0"):
        return None
    if len(text) > 40 or _GO.sub("", text) != "":
        raise Refusal("INVALID_INTERVAL", f"{text!r} is not a duration.", field=field, hint=_HINT)
    try:
        interval = durationpy.from_str(text)
    except (durationpy.DurationError, OverflowError):
        raise Refusal("INVALID_INTERVAL", f"{text!r} is not a duration.", field=field, hint=_HINT) from None
    return check_interval(interval, field=field) if re.search("[1-9]", text) else None


def check_interval(interval: timedelta, *, field: str) -> timedelta:
    """The interval if it lies within 1 s and 366 days."""
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise Refusal("INVALID_INTERVAL", "The interval must lie between 1s and 8784h.", field=field, hint=_HINT)
    return interval


def format_interval(interval: timedelta | None) -> str:
    """As Go prints it: 5m0s, 1h30m0s, 1.5s, 100ms; empty for run once."""
    if interval is None:
        return ""
    microseconds = interval // timedelta(microseconds=1)
    if microseconds < 1_000_000:
        return f"{_decimal(microseconds, 1000)}ms" if microseconds >= 1000 else f"{microseconds}µs"
    minutes, rest = divmod(microseconds, 60_000_000)
    hours, minutes_left = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 1_000_000)}s"
    return (f"{hours}h" if hours else "") + (f"{minutes_left}m" if minutes else "") + seconds


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
