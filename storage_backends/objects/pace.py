"""How long a service wants to be left alone."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 3600.0


def retry_after_seconds(header: str | None) -> float | None:
    """Of a Retry-After header, seconds or a date (RFC 9110, 10.2.3), between one and an hour: being throttled costs no
    attempt, so nothing else would slow us down. None for anything else: then the engine's own pace counts."""
    seconds = math.nan
    with suppress(ValueError, TypeError, OverflowError):
        seconds = float(header or "")
    with suppress(ValueError, TypeError, OverflowError):
        seconds = (parsedate_to_datetime(header or "") - datetime.now(UTC)).total_seconds()
    return None if math.isnan(seconds) else max(SHORTEST_SECONDS, min(seconds, LONGEST_SECONDS))
