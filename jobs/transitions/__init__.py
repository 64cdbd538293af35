"""Every move of a job or a task. Nothing else writes a status column (an architecture test says so).

A move is one compare-and-set: rows in the expected status (and, for work under way, of this owner at this epoch)
change and are returned; the others are somebody else's by now and are left alone. The totals, and the history row
of what a person asked for or of what went wrong, are written in the same transaction.
"""

from jobs.transitions.batches import (
    cancel_batch,
    mark_back,
    mark_gone,
    retry_batch,
    revisit_directories,
)
from jobs.transitions.claiming import Choose, Claimed, claim_directories, claim_files, claim_named
from jobs.transitions.discovery import Seen, discover, rediscover
from jobs.transitions.reaping import let_go, reap
from jobs.transitions.settling import Settled, settle, settle_copied
from jobs.transitions.steering import lock_job_alone, move_job

__all__ = [
    "Choose",
    "Claimed",
    "Seen",
    "Settled",
    "cancel_batch",
    "claim_directories",
    "claim_files",
    "claim_named",
    "discover",
    "let_go",
    "lock_job_alone",
    "mark_back",
    "mark_gone",
    "move_job",
    "reap",
    "rediscover",
    "retry_batch",
    "revisit_directories",
    "settle",
    "settle_copied",
]
