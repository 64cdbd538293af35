"""What a job is refused for before it is created or changed. Nothing here writes."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser

from jobs.errors import Refusal
from jobs.models import Job, Verify
from jobs.overlaps import identify, refuse_clash, refuse_overlap
from jobs.selectors import visible_jobs
from jobs.storages import Side, blaming, job_root, opened
from storage_backends.base import RootIdentity


def check_options(job: Job) -> None:
    """Refuse rules that can't be understood, and a verification that the sink can't do. Names the field."""
    _check_rules(job.exclude, field="exclude")
    _check_rules(job.include, field="include")
    if job.verify == Verify.STORED:
        _check_stored_verification(job)


def check_roots(job: Job, *, ignore: Job | None = None, asker: AbstractBaseUser | None = None) -> None:
    """Refuse a missing source, a source or sink that is not a directory, and every overlap. Another job in the way is
    named only if `asker` may see it (None: whoever sits at the shell)."""
    source, sink = _identify(job, "source"), _identify(job, "sink")
    if not source.exists:
        message = f"The source {job.source_path!r} does not exist on {job.source_type!r}."
        raise Refusal("SOURCE_NOT_FOUND", message, field="source_path", hint="Make it first, or correct the path.")
    refuse_overlap(source, sink)
    refuse_clash(source, sink, ignore=ignore, name=lambda other: _name_for(asker, other))


def _name_for(asker: AbstractBaseUser | None, job: Job) -> str:
    if asker is None or visible_jobs(asker).filter(pk=job.pk).exists():
        return f"job {job.pk} ({job})"
    return "somebody else's job"


def _identify(job: Job, side: Side) -> RootIdentity:
    root = job_root(job, side)
    with blaming(side):
        found = identify(root)
        if not found.exists:
            with opened(root._replace(path=b"")) as storage:
                storage.probe()  # a directory yet to be made needs at least the operator's root
    return found


def _check_rules(rules: str, *, field: str) -> None:
    """Raise Refusal if a gitignore rule can't be understood, or there are too many."""
    lines = rules.splitlines()
    if len(lines) > 200 or any(len(line.encode(errors="replace")) > 512 for line in lines):
        raise Refusal("TOO_MANY_RULES", "At most 200 rules of 512 bytes.", field=field)
    if not lines:
        return
    import pathspec  # 7 ms that a job without rules does not need

    try:
        pathspec.GitIgnoreSpec.from_lines(lines)
    except (ValueError, TypeError) as error:
        message = f"A rule can't be understood: {error}"
        raise Refusal("INVALID_RULE", message, field=field, hint="See gitignore(5).") from error


def _check_stored_verification(job: Job) -> None:
    """`stored` needs a sink whose server verifies what it receives."""
    with blaming("sink"), opened(job_root(job, "sink")) as sink:
        verifies = sink.capabilities.verifies_digest is not None
    if not verifies:
        hint = "Use readback, or disk to read from the device."
        raise Refusal("VERIFY_NOT_POSSIBLE", "This sink keeps no verified checksums.", field="verify", hint=hint)
