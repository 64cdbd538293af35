"""`make sync`: `python -m syncf_site.oneshot [options] -- SOURCE SINK` is `manage.py sync` over the whole machine.

Its database belongs to nobody's installation and must lie outside both trees: in the source it would be copied while
it changes, in the sink it would be listed as a stranger. So a sync of a whole home directory keeps it in /var/tmp.
"""

from __future__ import annotations

import gc
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl, quote, unquote

from transfers.management.locking import try_lock
from transfers.oneshot.catalogue import trouble
from transfers.oneshot.errands import Place, first_sync, later_sync
from transfers.oneshot.headstart import HeadStart

#: People come here by `make sync`.
USAGE = """make sync SOURCE=dir SINK=dir [ARGS="options"], such as ARGS="--exclude '*.tmp' --bwlimit 10M"
       make sync SOURCE=dir SINK=dir ARGS=--help lists the options"""


LEAST_MIB = 110
"""Of address space: with less, processes of it get no thread or no library, at any moment."""


class NoPlace(Exception):
    """There is no directory for the database. Django has its own kind, which would have to be loaded first."""


def main(arguments: Sequence[str]) -> None:
    """Run the sync; exits as `manage.py sync` does. A second sync of the same two directories is refused."""
    refuse_too_little_memory()
    words = arguments[-2:]
    trees, said = [Path(os.path.realpath(word)) for word in words], dict(os.environ)
    know_storages(words)
    try:
        os.environ.update(variables(said, trees=trees, name=name_of(words)))
        database = Path(unquote(os.environ["DATABASE_URL"].removeprefix("sqlite:///")))
        lock = try_lock(database.with_name(f"{database.name}.lock"))
    except NoPlace as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(trouble(error, Path(error.filename or "")) or error, file=sys.stderr)
        sys.exit(2)
    if lock is None:
        print("A sync of these two directories is already running.", file=sys.stderr)
        sys.exit(2)
    os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings_oneshot"
    with lock:
        _run(arguments, _head_start(arguments, trees, database if database.exists() else None))


def refuse_too_little_memory() -> None:
    """Exits with 2 where this process may not have what every sync needs."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < LEAST_MIB << 20:
        said = f"A sync needs {LEAST_MIB} MiB of address space, and {allowed >> 20} MiB are allowed here"
        print(f"{said} (ulimit -v). Allow it more, then run it again.", file=sys.stderr)
        sys.exit(2)


def _head_start(arguments: Sequence[str], trees: Sequence[Path], catalogue: Path | None) -> HeadStart | None:
    """On one processor it would only delay what it is to save; a listing by rules can't be guessed."""
    has_rules = any(argument.startswith(("--e", "--i")) for argument in arguments)
    if has_rules or len(os.sched_getaffinity(0)) == 1:
        return None
    words = arguments[-2:]
    try:
        places = _places(words, trees)
        if catalogue is not None:
            return HeadStart(later_sync(places, catalogue))
        source = None if _reads_later(arguments) else next(_places(words[:1], trees[:1]), None)
        return HeadStart(first_sync(places, prefetch=source))
    except OSError:  # no process or descriptor is left, or a directory may not be looked at: told where it matters
        return None


def know_storages(words: Sequence[str]) -> None:
    """Where one of them may be a storage's, the file completes the environment: the database's name and what is forked
    need URLs and credentials."""
    if any(":" in word for word in words):
        from syncf_site import env  # and a part of Django, which directories need not wait for

        env.complete()


def _reads_later(arguments: Sequence[str]) -> bool:
    """A dry run reads no file, and where there is a rate nobody is to read faster."""
    return any(argument.startswith(("--b", "--d")) for argument in arguments)


def _places(words: Sequence[str], trees: Sequence[Path]) -> Iterator[Place]:
    """What will be listed: directories that are there, and of storages those that the environment names. A guess: what
    a word means is decided later, and nobody asks for what was listed in vain."""
    for word, tree in zip(words, trees, strict=True):
        if in_storage := _in_storage(word):
            _, url, path = in_storage
            yield Place(url, os.fsencode(path).strip(b"/"))
        elif tree.is_dir():
            yield Place.of(tree)


def _in_storage(word: str) -> tuple[str, str, str] | None:
    """Alias, URL and path, if the word begins with a storage that the environment names. (`local` is the machine here,
    whatever it names.)"""
    alias, colon, path = word.partition(":")
    is_alias = colon and alias.islower() and alias != "local"
    url = os.environ.get(f"STORAGE_{alias.upper()}") if is_alias else None
    return (alias, url, path) if url else None


def _run(arguments: Sequence[str], head_start: HeadStart | None) -> None:
    """`manage.py sync`, without looking through all apps for all commands first."""
    import django
    from django.conf import settings

    django.setup()
    from transfers.management.commands.sync import Command
    from transfers.oneshot import schema

    database = Path(settings.DATABASES["default"]["NAME"])
    if not database.exists():
        schema.begin(database)
    command = Command()
    command.usage, command.head_start, command.leave = USAGE, head_start, leave
    command.run_from_argv(["make", "sync", *arguments])


def variables(environment: Mapping[str, str], *, trees: Sequence[Path], name: str) -> dict[str, str]:
    """What an operator would have to say for a sync of `trees` with the database `name`; makes its directory."""
    directory = _state_directory(environment, trees)
    return {
        "BASE_PATH": "/",
        "ALLOW_WHOLE_MACHINE": "true",  # whoever types the command may do there what they may do anyway
        "STORAGE_LOCAL": "",
        "BROKER_URL": "database://",
        "DATABASE_URL": f"sqlite:///{quote(str(directory / name))}",
        "LOG_LEVEL": environment.get("LOG_LEVEL") or "WARNING",
    }


def name_of(words: Sequence[str]) -> str:
    """Each pair of places has a database of its own, so that two syncs never wait for each other; it is the same from
    whatever directory they are named."""
    pair = b"\0".join(os.fsencode(_identity(word)) for word in words)
    return f"sync-{hashlib.sha256(pair).hexdigest()[:16]}.sqlite3"


def _identity(word: str) -> str:
    """Of a storage all that says where it is, and not how to get in: a new key or profile changes no place."""
    in_storage = _in_storage(word)
    if in_storage is None:
        return os.path.realpath(word)
    alias, url, path = in_storage
    where, _, options = url.partition("?")
    endpoint = dict(parse_qsl(options)).get("endpoint_url", "")
    return "\0".join([alias, where, endpoint, path.strip("/")])


def _state_directory(environment: Mapping[str, str], trees: Sequence[Path]) -> Path:
    state_home = Path(environment.get("XDG_STATE_HOME", ""))
    if not state_home.is_absolute():
        state_home = Path("~/.local/state").expanduser()
    for directory in (state_home / "syncf", Path(f"/var/tmp/syncf-{os.geteuid()}")):
        if not any(directory.resolve().is_relative_to(tree) for tree in trees):
            return _private(directory)
    raise NoPlace("Set XDG_STATE_HOME to a directory that is neither in SOURCE nor in SINK.")


def _private(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise NoPlace(
            f"{directory} belongs to somebody else. Set XDG_STATE_HOME to a directory of your own."
        )
    return directory


def leave(code: int) -> NoReturn:
    """At once: nothing is left to be done, and taking all modules apart takes longer than many a sync. Nor is the
    database closed: what is committed is durable in SQLite's journal, from which the last one to close would write it
    to the file."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads the answer any more
        code = code or 1
    os._exit(code)


def told_of(error: Exception) -> str:
    """What a person is told instead of a traceback: somebody has to mend something first. Empty of our own mistakes."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    if isinstance(error, ImproperlyConfigured):
        return str(error)
    return trouble(error, Path(settings.DATABASES["default"]["NAME"]))


if __name__ == "__main__":
    gc.disable()  # while everything is imported there is nothing to collect; the command turns it on
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of an import; the command minds it as soon as it works
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 0)
    except Exception as error:
        said = told_of(error)
        if not said:
            raise
        print(said, file=sys.stderr)
        leave(2)
