"""What a person types for a place: `alias:path`, or a path on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

from django.conf import settings

from jobs.errors import Refusal
from jobs.storages import configured
from storage_backends.names import display_path

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_ALIAS = re.compile(r"[a-z][a-z0-9_]*")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_place(text: str, *, field: str) -> tuple[str, str]:
    """(alias, path below its root). The operator at the shell is trusted: symbolic links are resolved first.

    Raises Refusal for a path outside BASE_PATH or one that is no valid Unicode."""
    alias, colon, rest = text.partition(":")
    if colon and alias in configured():
        return alias, rest or "/"
    if colon and _ALIAS.fullmatch(alias) and not os.path.lexists(text):
        raise _unknown_storage(alias, rest, field)
    real = Path(os.path.realpath(text))
    base = Path(os.path.realpath(settings.BASE_PATH))
    if not real.is_relative_to(base):
        hint = "Set BASE_PATH to a directory above it, or configure a storage for it as STORAGE_<ALIAS>=file:///…"
        raise Refusal("OUTSIDE_BASE_PATH", f"{text!r} is not below BASE_PATH ({base}).", field=field, hint=hint)
    if not real.is_dir() and (field == "source" or os.path.lexists(real)):
        raise _no_directory(real, field)
    return "local", "/" + "/".join(real.relative_to(base).parts)


def _unknown_storage(alias: str, rest: str, field: str) -> Refusal:
    """Who typed a URL is told where that belongs."""
    if rest.startswith("//"):
        hint = "Set STORAGE_<ALIAS>=url in the environment or in .env, and name it here as alias:path."
        message = f"{field.upper()}: a storage is not named by its URL."
        return Refusal("UNKNOWN_STORAGE", message, field=field, hint=hint)
    known = ", ".join(sorted(configured()))
    hint = f"Configured are: {known}. Another one is added as STORAGE_{alias.upper()[:20]}=url, in the environment"
    hint += " or in .env. A path with a colon in it begins with ./"
    return Refusal("UNKNOWN_STORAGE", f"There is no storage called {alias!r}.", field=field, hint=hint)


def _no_directory(path: Path, field: str) -> Refusal:
    shown = display_path(os.fsencode(path))
    if os.path.lexists(path):
        hint = "Name the directory it is in, and leave the others out by --exclude."
        if field == "sink":
            hint = "Choose a directory, or a name that is not taken yet: SyncF makes it."
        return Refusal("NOT_A_DIRECTORY", f"{field.upper()}: {shown} is not a directory.", field=field, hint=hint)
    hint = "It is the directory to copy from: look for a typing error, or mount the disk it is on."
    return Refusal("SOURCE_NOT_FOUND", f"SOURCE: there is no directory {shown}.", field=field, hint=hint)


def parse_rate(text: str) -> int:
    """Bytes per second: 500000, 500k, 10M, 1.5GiB (units of 1,024). Raises Refusal."""
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not 1024 <= rate < 1 << 60:
        hint = "Write bytes per second, at least 1k: 500k, 10M, 1.5G."
        raise Refusal("INVALID_RATE", f"{text!r} is no rate.", field="bwlimit", hint=hint)
    return int(rate)
