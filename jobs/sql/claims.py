"""The rows a claim may take, locked, and taking them. The same statements on both databases, but for a few words.

The states stand in the text, so that the partial indexes `task_waiting` and `task_waiting_directory` are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from types import ModuleType
from typing import Any

from django.db import connection

from jobs.sql.rows import RUNNING, Candidate

#: As `Candidate._make` does it, without a call of Python for every row.
_make = tuple.__new__

_HOLD = """
    SELECT EXISTS (SELECT 1 FROM jobs_slave s WHERE s.id = %s AND s.state <> 'offline' AND s.lease_expires_at > {now}
        AND jobs_job.machine_id IN ('', s.machine_id))
    FROM jobs_job WHERE id = %s AND {running} {shared}
"""
_SELECT = """
    SELECT id, kind, path, size, epoch, attempts, compare_first, sink_version, status FROM jobs_task
    WHERE {which} {lock}
"""
_WAITING = "status IN ('pending', 'retrying') AND (not_before IS NULL OR not_before <= {now})"
_FILES = f"job_id = %s AND {_WAITING} AND NOT (kind = 'directory') ORDER BY id LIMIT %s"
_DIRECTORIES = f"job_id = %s AND {_WAITING} AND kind = 'directory' ORDER BY path DESC LIMIT %s"
_DUE = f"""
    SELECT id, size, attempts FROM jobs_task
    WHERE job_id = %s AND id > %s AND {_WAITING} AND NOT (kind = 'directory') ORDER BY id LIMIT %s
"""
#: A CASE, so that no index but that of the ids is of use: statistics that do not know the job yet promise a single row,
#: and all that waits of it would be read for every hint.
_NAMED = f"""
    CASE WHEN job_id = %s THEN {_WAITING} AND NOT (kind = 'directory') ELSE false END AND id {{in_ids}} ORDER BY id
"""
_COUNT = """
    SELECT count(*) FROM (SELECT 1 FROM jobs_task WHERE job_id = %s AND status IN ('pending', 'retrying')
        AND NOT (kind = 'directory') LIMIT %s) AS waiting
"""
_TAKE = """
    UPDATE jobs_task SET status = 'in_progress', owner_id = %s, slave_name = %s, epoch = epoch + 1,
        attempts = attempts + 1, started_at = {now}, completed_at = NULL, not_before = NULL, reason_code = '',
        reason_text = ''
    WHERE id {in_ids}
"""


def hold_running(vendor: ModuleType, job_id: str, slave_id: str) -> bool:
    """Whether the job runs, the slave lives, and the job is not bound to another machine by now."""
    statement = _HOLD.format(now=vendor.NOW, running=RUNNING, shared=vendor.SHARED)
    with connection.cursor() as cursor:
        cursor.execute(statement, [vendor.uuid_parameter(slave_id), vendor.uuid_parameter(job_id)])
        row = cursor.fetchone()
        return row is not None and bool(row[0])


def _candidates(vendor: ModuleType, job_id: str, which: str, parameter: Any) -> list[Candidate]:
    which = which.format(now=vendor.NOW, in_ids=vendor.IN_IDS)
    statement = _SELECT.format(which=which, lock=vendor.SKIP_LOCKED)
    with connection.cursor() as cursor:
        cursor.execute(statement, [vendor.uuid_parameter(job_id), parameter])
        return list(map(_make, repeat(Candidate), cursor.fetchall()))


def next_files(vendor: ModuleType, job_id: str, limit: int) -> list[Candidate]:
    """The first files and links in the order of the catalogue."""
    return _candidates(vendor, job_id, _FILES, limit)


def named_files(vendor: ModuleType, job_id: str, ids: Sequence[int]) -> list[Candidate]:
    """Those of these ids that are files or links."""
    return _candidates(vendor, job_id, _NAMED, vendor.ids_parameter(ids))


def next_directories(vendor: ModuleType, job_id: str, limit: int) -> list[Candidate]:
    """Directories, those below before those above."""
    return _candidates(vendor, job_id, _DIRECTORIES, limit)


def due_files(vendor: ModuleType, job_id: str, after: int, limit: int) -> list[tuple[int, int, int]]:
    """(id, size, attempts) of the first files and links behind an id, not locked."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE.format(now=vendor.NOW), [vendor.uuid_parameter(job_id), after, limit])
        return list(cursor.fetchall())


def count_waiting(vendor: ModuleType, job_id: str, at_most: int) -> int:
    """How many files and links wait, due or not; counting ends at `at_most`."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [vendor.uuid_parameter(job_id), at_most])
        return int(cursor.fetchone()[0])


def take(vendor: ModuleType, slave_id: str, slave_name: str, ids: Sequence[int]) -> int:
    """Make locked rows this slave's, at a new epoch; returns how many."""
    statement = _TAKE.format(now=vendor.NOW, in_ids=vendor.IN_IDS)
    with connection.cursor() as cursor:
        cursor.execute(statement, [vendor.uuid_parameter(slave_id), slave_name, vendor.ids_parameter(ids)])
        return int(cursor.rowcount)


#: No join with the jobs: it could be done by the order of a job's paths, and all of the job be read for every batch.
_OWNED = """
    SELECT {what} FROM jobs_task t
    WHERE t.id {in_ids} AND t.{is_owner} AND t.job_id NOT IN (SELECT id FROM jobs_job WHERE status = 'killed')
        AND EXISTS (SELECT 1 FROM jobs_slave WHERE id = %s AND state <> 'offline')
"""


def owned(vendor: ModuleType, slave_id: str, ids: Sequence[int]) -> list[tuple[int, int]]:
    """(id, epoch) of those that are this slave's, unless it was declared offline or their job was killed."""
    statement = _OWNED.format(what="t.id, t.epoch", in_ids=vendor.IN_IDS, is_owner=vendor.IS_OWNER)
    slave = vendor.uuid_parameter(slave_id)
    with connection.cursor() as cursor:
        cursor.execute(statement, [vendor.ids_parameter(ids), slave, slave])
        return list(cursor.fetchall())


def count_owned(vendor: ModuleType, slave_id: str, ids: Sequence[int], epoch: int) -> int:
    """How many of them `owned` would name with this epoch."""
    statement = _OWNED.format(what="count(*)", in_ids=vendor.IN_IDS, is_owner=vendor.IS_OWNER) + " AND t.epoch = %s"
    slave = vendor.uuid_parameter(slave_id)
    with connection.cursor() as cursor:
        cursor.execute(statement, [vendor.ids_parameter(ids), slave, slave, epoch])
        return int(cursor.fetchone()[0])
