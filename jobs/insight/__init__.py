"""What goes on, in figures that are read, never kept: for the admin, the API, metrics and the command line.

Everything is asked for a page of jobs at once, in a number of queries that depends neither on the jobs nor on their
tasks. `look` answers all that a list says about a job; the others are its parts and what a job's own page adds.
"""

from jobs.insight.attention import Attention, attention
from jobs.insight.eta import Eta
from jobs.insight.failures import Failures, failures_by_reason
from jobs.insight.flight import InFlight, in_flight
from jobs.insight.freshness import Freshness
from jobs.insight.job import JobInsight, job_insight, look
from jobs.insight.phase import Phase
from jobs.insight.speed import Moment, Speed, speeds, throughput_history

__all__ = [
    "Attention",
    "Eta",
    "Failures",
    "Freshness",
    "InFlight",
    "JobInsight",
    "Moment",
    "Phase",
    "Speed",
    "attention",
    "failures_by_reason",
    "in_flight",
    "job_insight",
    "look",
    "speeds",
    "throughput_history",
]
