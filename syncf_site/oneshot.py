"""`make sync`: `python -m syncf_site.oneshot [options] -- SOURCE SINK` is `manage.py sync` over the whole machine.

Its database belongs to nobody's installation and must lie outside both trees: in the source it would be copied while
it changes, in the sink it would be listed as a stranger. So a sync of a whole home directory keeps it in /var/tmp.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from transfers.management.locking import try_lock


def main(arguments: Sequence[str]) -> None:
    """Run the sync; exits as `manage.py sync` does. A second sync of the same two directories is refused."""
    trees = [Path(os.path.realpath(tree)) for tree in arguments[-2:]]
    try:
        os.environ.update(variables(os.environ, trees=trees))
        lock = try_lock(Path(unquote(os.environ["DATABASE_URL"].removeprefix("sqlite:///")) + ".lock"))
    except (ImproperlyConfigured, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if lock is None:
        print("A sync of these two directories is already running.", file=sys.stderr)
        sys.exit(2)
    os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings_oneshot"
    with lock:
        _run(arguments)


def _run(arguments: Sequence[str]) -> None:
    """`manage.py sync`, without looking through all apps for all commands first."""
    django.setup()
    from transfers.management.commands.sync import Command
    from transfers.oneshot import schema

    database = Path(settings.DATABASES["default"]["NAME"])
    if not database.exists():
        schema.begin(database)
    Command().run_from_argv(["manage.py", "sync", *arguments])


def variables(environment: Mapping[str, str], *, trees: Sequence[Path]) -> dict[str, str]:
    """What an operator would have to say for a sync of `trees`; makes the database's directory."""
    directory = _state_directory(environment, trees)
    return {
        "BASE_PATH": "/",
        "ALLOW_WHOLE_MACHINE": "true",  # whoever types the command may do there what they may do anyway
        "STORAGE_LOCAL": "",
        "BROKER_URL": "database://",
        "DATABASE_URL": f"sqlite:///{quote(str(directory / _name(trees)))}",
        "LOG_LEVEL": environment.get("LOG_LEVEL") or "WARNING",
    }


def _name(trees: Sequence[Path]) -> str:
    """Each pair of directories has a database of its own, so that two syncs never wait for each other."""
    pair = b"\0".join(os.fsencode(tree) for tree in trees)
    return f"sync-{hashlib.sha256(pair).hexdigest()[:16]}.sqlite3"


def _state_directory(environment: Mapping[str, str], trees: Sequence[Path]) -> Path:
    state_home = Path(environment.get("XDG_STATE_HOME", ""))
    if not state_home.is_absolute():
        state_home = Path("~/.local/state").expanduser()
    for directory in (state_home / "syncf", Path(f"/var/tmp/syncf-{os.geteuid()}")):
        if not any(directory.resolve().is_relative_to(tree) for tree in trees):
            return _private(directory)
    raise ImproperlyConfigured("Set XDG_STATE_HOME to a directory that is neither in SOURCE nor in SINK.")


def _private(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise ImproperlyConfigured(
            f"{directory} belongs to somebody else. Set XDG_STATE_HOME to a directory of your own."
        )
    return directory


if __name__ == "__main__":
    gc.disable()  # while everything is imported there is nothing to collect; the command turns it on
    main(sys.argv[1:])
