"""Which files failed, by reason."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import QuerySet

from jobs.models import Job
from jobs.reasons import REASONS, Reason
from jobs.waiting import failed_tasks

#: Failed tasks are counted up to here: the page must come however many there are.
COUNTED_FAILURES = 10_000
_UNKNOWN = Reason("A reason this version does not know.", "Read the text of the files.")


class Failures(NamedTuple):
    """The failed tasks of one reason."""

    reason_code: str
    tasks: int
    is_more: bool
    """There may be more: counting ended at `COUNTED_FAILURES` of all reasons together."""

    @property
    def reason(self) -> Reason:
        """What it means and what to do."""
        return REASONS.get(self.reason_code, _UNKNOWN)


def failures_by_reason(jobs: QuerySet[Job] | Iterable[Job]) -> list[Failures]:
    """Of these jobs together, the most frequent first, in one query that an index answers."""
    codes = failed_tasks().filter(job__in=jobs).values_list("reason_code", flat=True)
    counts = Multiset(codes[:COUNTED_FAILURES])
    is_more = counts.total() == COUNTED_FAILURES
    return [Failures(code, count, is_more) for code, count in counts.most_common()]
