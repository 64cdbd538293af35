"""How often something may be done within a time, counted in the database: right for any number of web processes on any
number of machines, and nothing is pickled (Django's caches pickle, and read before they write).

`take` is exact and costs one statement. `Ration` takes a portion at a time and hands it out from memory, for what is
asked at every request: a GET must not cost a write.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Greatest

from jobs.models import Allowance

_TAKE = """
INSERT INTO jobs_allowance (key, used, ends_at) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET
  used = CASE WHEN jobs_allowance.ends_at <= %s THEN excluded.used ELSE jobs_allowance.used + excluded.used END,
  ends_at = CASE WHEN jobs_allowance.ends_at <= %s THEN excluded.ends_at ELSE jobs_allowance.ends_at END
RETURNING used, ends_at
"""


class Limit(NamedTuple):
    """`most` times in `seconds` for each subject."""

    name: str
    most: int
    seconds: int


class Taken(NamedTuple):
    """What a request for some was answered with."""

    granted: int
    """0: refused."""
    ends_at: int
    """Unix time at which counting starts anew."""

    @property
    def wait(self) -> int:
        """Seconds until the next one is granted; 0 if this one was."""
        return 0 if self.granted else max(1, math.ceil(self.ends_at - time.time()))


def take(limit: Limit, subject: str, count: int = 1) -> Taken:
    """Take up to `count`; those that were refused count as well. Atomic: two processes never get the same one."""
    now = int(time.time())
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [_key(limit, subject), count, now + limit.seconds, now, now])
        [(used, ends_at)] = cursor.fetchall()
    return Taken(max(0, min(count, limit.most - (used - count))), ends_at)


def give_back(limit: Limit, subject: str) -> None:
    """One that was taken was not used after all."""
    used = Greatest(F("used") - 1, Value(0))
    Allowance.objects.filter(key=_key(limit, subject)).update(used=used)


def forget(limit: Limit, subject: str) -> None:
    """Count anew from nothing."""
    Allowance.objects.filter(key=_key(limit, subject)).delete()


def forget_past() -> None:
    """Remove what counts no more."""
    Allowance.objects.filter(ends_at__lt=int(time.time())).delete()


def _key(limit: Limit, subject: str) -> str:
    return hashlib.sha256(f"{limit.name}\0{subject}".encode(errors="surrogatepass")).hexdigest()


class Ration:
    """Hands out limits from memory, portion by portion. Never more than the limit; where a subject comes to several
    processes, up to a portion less for each. Any thread may ask."""

    PORTIONS = 20
    MOST_SUBJECTS = 4096

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portions: dict[tuple[Limit, str], Taken] = {}
        """What is left. None granted: refused until its end."""

    def wait(self, limit: Limit, subject: str) -> int:
        """Take one: 0, or the seconds to wait. A refusal is remembered and costs nothing until its end."""
        with self._lock:
            portion = self._portions.get((limit, subject))
            if portion is not None and portion.ends_at > time.time():
                return self._spend((limit, subject), portion)
        # Not under the lock: a database that is busy keeps only those waiting that need it.
        portion = take(limit, subject, max(1, limit.most // self.PORTIONS))
        with self._lock:
            return self._spend((limit, subject), portion)

    def _spend(self, subject: tuple[Limit, str], portion: Taken) -> int:
        if portion.granted == 1:  # nothing is left to be remembered
            self._portions.pop(subject, None)
            return 0
        if len(self._portions) >= self.MOST_SUBJECTS:
            self._portions.clear()  # costs them what is left of their portions, no more
        self._portions[subject] = portion._replace(granted=max(0, portion.granted - 1))
        return portion.wait
