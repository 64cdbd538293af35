"""Settings: what Django's own checks and ours say about them, and the directory behind `local`."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, run_checks

from jobs.readiness import Unready, require_base_path
from transfers.management.doctor.findings import Finding, error, ok, warning

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
#: Weak key, DEBUG: they matter even where only this machine comes. The other checks of `--deploy` are about https.
ALWAYS = frozenset({"security.W009", "security.W018"})


def check_settings() -> Iterator[Finding]:
    """`check --deploy`, without what is about https where nobody comes from outside."""
    is_local = set(settings.ALLOWED_HOSTS) <= LOOPBACK
    found = [message for message in run_checks(include_deployment_checks=True) if not message.is_silenced()]
    relevant = [message for message in found if not is_local or _is_for_everybody(message)]
    yield from map(_finding, relevant)
    if not relevant:
        yield ok("settings", f"fit for {'this machine' if is_local else 'https, from other machines'}")


def _is_for_everybody(message: CheckMessage) -> bool:
    return message.id in ALWAYS or not str(message.id).startswith("security.")


def _finding(message: CheckMessage) -> Finding:
    kind = error if message.level >= ERROR else warning
    hint = " ".join(str(message.hint or "").split()) or "Correct the setting that it names."
    return kind("settings", f"{' '.join(message.msg.split())} ({message.id})", hint)


def check_base_path() -> Iterator[Finding]:
    """Missing, not a directory, or everything."""
    try:
        require_base_path()
    except Unready as unready:
        yield error("base path", str(unready).removeprefix("BASE_PATH: "), "Correct BASE_PATH, or mount the disk.")
    else:
        yield ok("base path", str(settings.BASE_PATH))
