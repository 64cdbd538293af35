"""Who sits at the shell, and which job they mean."""

from __future__ import annotations

import os
import pwd
import re
import uuid

from jobs.errors import Refusal
from jobs.models import Job
from storage_backends.names import display_path

#: Shorter ones are refused even while they are unique: tomorrow they would mean another job.
MIN_PREFIX = 4


def find_job(text: str) -> Job:
    """The one job whose id begins with `text` (hex digits, dashes or not, at least four).

    Raises Refusal when it is no such thing, or no job or several begin so."""
    digits = text.replace("-", "").lower()
    if not re.fullmatch(f"[0-9a-f]{{{MIN_PREFIX},32}}", digits):
        hint = f"Write the id or at least {MIN_PREFIX} digits of its beginning."
        raise Refusal("INVALID_ID", f"{text!r} is no id of a job.", field="id", hint=hint)
    low, high = (uuid.UUID(digits.ljust(32, fill)) for fill in "0f")
    found = list(Job.objects.filter(pk__gte=low, pk__lte=high).order_by("pk")[:4])
    if len(found) > 1:
        hint = f"Among them: {', '.join(str(job.pk) for job in found)}."
        raise Refusal("AMBIGUOUS_ID", f"Several jobs begin with {text!r}.", field="id", hint=hint)
    if not found:
        raise Refusal("UNKNOWN_JOB", f"No job begins with {text!r}.", field="id", hint="`jobs list` names them.")
    return found[0]


def shell_actor() -> str:
    """How history names them: `shell:NAME`, after sudo the one who called it."""
    name = os.environ.get("SUDO_USER") or _login(os.getuid())
    return f"shell:{display_path(os.fsencode(name))[:100]}"


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run as a user that nobody named
        return str(uid)
