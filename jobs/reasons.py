"""Why a file, a scan or a job is not where it should be: every reason code, what it means and what to do.

The code says which side it happened at (SOURCE_, SINK_) or that neither was to blame. docs/reasons.md prints this
table; an architecture test compares it with what the engine can emit.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """One code."""

    meaning: str
    hint: str
    is_environmental: bool = False
    """Somebody has to change the world first; a later scan tries the unchanged file again by itself."""


def _sides(code: str, meaning: str, hint: str, is_environmental: bool = False) -> dict[str, Reason]:
    return {
        f"{side.upper()}_{code}": Reason(meaning.format(side=side), hint.format(side=side), is_environmental)
        for side in ("source", "sink")
    }


REASONS: dict[str, Reason] = {
    **_sides("STORAGE_ERROR", "The {side} failed in an unforeseen way.", "Read the text and the slave's log."),
    **_sides("BAD_PATH", "The {side} can't hold such a path.", "Rename the file."),
    **_sides("NAME_TOO_LONG", "The name is longer than the {side} can hold.", "Shorten the name."),
    **_sides(
        "NAME_COLLISION",
        "The {side} takes this name and that of another file for the same (case, accents).",
        "Rename one of them at the source.",
    ),
    **_sides(
        "SYMLINK_REFUSED",
        "A directory on the way is a symbolic link.",
        "SyncF never follows links; use a real directory.",
        True,
    ),
    **_sides("NOT_REGULAR", "It is not a regular file (any more).", "Nothing to do if that is intended."),
    **_sides(
        "KIND_CONFLICT",
        "A directory stands where a file belongs, or the reverse.",
        "Move the one at the sink out of the way.",
        True,
    ),
    **_sides(
        "PERMISSION_DENIED",
        "The slave may not do that at the {side}.",
        "Give its user the permission.",
        True,
    ),
    **_sides("READ_ONLY", "The {side} is mounted read-only.", "Mount it writable.", True),
    **_sides("NO_SPACE", "The {side} is full.", "Make room; SyncF goes on by itself.", True),
    **_sides(
        "QUOTA_EXCEEDED",
        "The quota at the {side} is used up.",
        "Raise it or make room; SyncF goes on by itself.",
        True,
    ),
    **_sides("FILE_TOO_BIG", "The {side} can't hold a file of that size.", "Use another storage for it."),
    **_sides("IO_ERROR", "The device at the {side} reported an error.", "Check the disk and the system log.", True),
    **_sides(
        "UNREACHABLE",
        "The {side} does not answer.",
        "Check network and mount; SyncF goes on by itself.",
        True,
    ),
    **_sides(
        "ROOT_CHANGED",
        "The {side}'s root lies on another device than at the last scan.",
        "Mount the disk; SyncF goes on by itself.",
        True,
    ),
    **_sides("THROTTLED", "The {side} asked to slow down.", "Nothing; SyncF waits and goes on.", True),
    **_sides(
        "BAD_CREDENTIALS",
        "The {side} does not accept the credentials.",
        "Renew them where they are read: by the slave, or in the shell of make sync.",
        True,
    ),
    **_sides("PARTIAL_BUSY", "Another process still holds the partial.", "Nothing; SyncF waits and goes on."),
    **_sides("UPLOAD_GONE", "The {side} forgot the unfinished upload.", "Nothing; it starts over."),
    **_sides(
        "CHECKSUM_MISMATCH",
        "What was read back differs from what was written.",
        "Check memory, disk and network of the {side}.",
        True,
    ),
    **_sides("PRECONDITION_FAILED", "Somebody else wrote the file at the {side} meanwhile.", "Find out who."),
    **_sides(
        "PATHS_OVERLAP",
        "The listing came upon the other side's root.",
        "Choose roots that do not contain each other.",
        True,
    ),
    **_sides(
        "CONFIGURATION",
        "The {side} is not configured right.",
        "Read the text; check STORAGE_<ALIAS>.",
        True,
    ),
    **_sides(
        "NOT_FOUND",
        "A directory on the way is missing at the {side}.",
        "Nothing; the next scan looks again.",
        True,
    ),
    **_sides(
        "CHANGED",
        "The file changed while it was copied.",
        "Nothing; it is copied again. If it never stands still: when_changing=wait.",
    ),
    "SINK_NO_SYMLINKS": Reason("The sink can't hold symbolic links.", "Exclude it, or use a sink that can."),
    "SOURCE_GONE": Reason("The file vanished from the source.", "Nothing to do if that is intended."),
    "RESERVED_NAME": Reason("The name looks like a partial of SyncF.", "Rename the file."),
    "SPECIAL_FILE": Reason("FIFOs, sockets and devices are not copied.", "Nothing to do."),
    "LEASE_EXPIRED": Reason(
        "The slave died or froze while it worked on the file.",
        "Look at the slave; the file is tried again.",
    ),
    "WORKER_DIED": Reason(
        "The worker process died while it worked on the file.",
        "Look at the slave's log and the kernel's (out of memory?).",
    ),
    "JOB_KILLED": Reason("The job was killed.", "Create the job again if that was not intended."),
    "RELEASED": Reason(
        "The work was interrupted by pause or shutdown.",
        "Nothing; it goes on from its checkpoint.",
    ),
    "INTERNAL_ERROR": Reason("SyncF made a mistake.", "Report it with the slave's log.", True),
    "ROOT_CHANGED": Reason(
        "The root is empty or missing and lies on another device than before.",
        "Mount the disk; SyncF goes on by itself.",
    ),
    "ROOT_MISSING": Reason("The source's root is missing.", "Bring it back; SyncF looks again at the next scan."),
    "PATHS_OVERLAP": Reason(
        "Source and sink overlap, or another job has the sink.", "Choose directories that do not contain each other."
    ),
    "JOBS_FORM_A_CYCLE": Reason("The jobs would copy in a circle.", "Take one of them out; chains are fine."),
    "UNKNOWN_STORAGE": Reason(
        "The job's storage is no longer configured.", "Set STORAGE_<ALIAS> again where the scheduler runs."
    ),
    "SCAN_FAILED": Reason("The scan could not be finished.", "Read its text."),
}

ENVIRONMENTAL = frozenset(code for code, reason in REASONS.items() if reason.is_environmental)
