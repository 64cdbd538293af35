"""Jobs of which something may be claimed: those that a slave can serve, and which of them have something for it now."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from django.db.models import Q, QuerySet

from jobs.compiled import Compiled
from jobs.models import Job, Slave
from jobs.states import JobStatus
from jobs.waiting import due_directories, due_files, has, is_busy_with_files


class Looks(NamedTuple):
    """What a slave with nothing to do, and a scheduler with a queue to fill, asks again and again."""

    for_files: Compiled[Job]
    for_directories: Compiled[Job]


def claimable_jobs() -> QuerySet[Job]:
    """Running jobs that are not parked."""
    return Job.objects.filter(status=JobStatus.RUNNING, parked_code="")


def with_files(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Those that have a file or link to copy now."""
    return jobs.filter(has(due_files()))


def with_directories_only(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Those of which only directories are left: no scan under way, no other task that is not final."""
    return jobs.filter(has(due_directories()), ~is_busy_with_files())


def servable_jobs(slave: Slave) -> QuerySet[Job]:
    """Running jobs both of whose storages this slave reaches."""
    return claimable_jobs().filter(reachable(slave))


def reachable(slave: Slave, prefix: str = "") -> Q:
    """Jobs (behind the look-up `prefix`) whose storages this slave reaches, on this machine where that matters."""
    return Q(
        **{
            f"{prefix}source_type__in": slave.aliases,
            f"{prefix}sink_type__in": slave.aliases,
            f"{prefix}machine_id__in": ["", slave.machine_id],
        }
    )


def unserved_jobs(jobs: QuerySet[Job], slaves: Iterable[Slave]) -> QuerySet[Job]:
    """Those of these jobs that run and of which none of these slaves reaches both storages."""
    running = jobs.filter(status=JobStatus.RUNNING)
    for slave in slaves:
        running = running.exclude(reachable(slave))
    return running


def jobs_with_work(slave: Slave) -> list[Job]:
    """Servable jobs that have a file or link to copy now."""
    return _looks_of(tuple(slave.aliases), slave.machine_id).for_files.rows()


def jobs_with_directories(slave: Slave) -> list[Job]:
    """Servable jobs of which only directories are left to do."""
    return _looks_of(tuple(slave.aliases), slave.machine_id).for_directories.rows()


@lru_cache(maxsize=2)
def _looks_of(aliases: tuple[str, ...], machine_id: str) -> Looks:
    jobs = servable_jobs(Slave(aliases=list(aliases), machine_id=machine_id))
    return Looks(Compiled(with_files(jobs)), Compiled(with_directories_only(jobs)))
