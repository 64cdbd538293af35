"""The whole examination, in the order in which things depend on each other."""

from __future__ import annotations

from collections.abc import Iterator

from transfers.management.doctor.broker import check_broker
from transfers.management.doctor.configuration import check_base_path, check_settings
from transfers.management.doctor.database import check_clock, check_database, check_disk
from transfers.management.doctor.findings import Check, Finding, Level, error
from transfers.management.doctor.processes import check_scheduler, check_slaves
from transfers.management.doctor.storages import check_storages
from transfers.management.doctor.trouble import check_jobs

FIRST: tuple[Check, ...] = (check_settings, check_base_path, check_disk, check_database)
WITH_DATABASE: tuple[Check, ...] = (
    check_clock,
    check_broker,
    check_storages,
    check_scheduler,
    check_slaves,
    check_jobs,
)


def examine() -> Iterator[Finding]:
    """Every finding as soon as it is found. Changes nothing."""
    has_database = True
    for check in FIRST:
        for finding in _guarded(check):
            yield finding
            has_database &= not (check is check_database and finding.level is Level.ERROR)
    for check in WITH_DATABASE if has_database else ():
        yield from _guarded(check)


def _guarded(check: Check) -> Iterator[Finding]:
    """One that fails itself is a finding, and the others are looked at all the same."""
    topic = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        yield from check()
    except Exception as problem:
        text = f"could not be looked at: {type(problem).__name__}: {str(problem).strip().partition(chr(10))[0]}"
        yield error(topic, text, "If the lines above do not explain it, it is a defect of SyncF: please report it.")
