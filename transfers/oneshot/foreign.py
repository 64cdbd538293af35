"""Options that people know from rsync and rclone, and what to do here instead."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from typing import Any, NoReturn

_DELETE = "nothing is ever deleted at SINK; what is gone from SOURCE is told at the end"
_ANYWAY = "names, times, modes and symbolic links are kept anyway; leave it out"
_CHECKSUM = "every file that is copied is read back and compared by SHA-256 anyway; leave it out"
_SIZE = "there are no rules by size; --exclude and --include take gitignore rules"
INSTEAD = {
    ("--delete", "--delete-before", "--delete-during", "--delete-after", "--delete-excluded"): _DELETE,
    ("-a", "-av", "-avz", "-avP", "--archive", "-r", "--recursive"): _ANYWAY,
    ("-c", "--checksum"): _CHECKSUM,
    ("-P", "--progress"): "progress is shown anyway; leave it out",
    ("-n",): "it is called --dry-run here",
    ("-z", "--compress"): "nothing is packed on the way; leave it out",
    ("--max-size", "--min-size"): _SIZE,
    ("--transfers", "-j"): "it is called --concurrency here",
}


class _Foreign(Action):
    """Ends with exit code 2 and what to do."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, name: str | None = None) -> NoReturn:
        parser.error(f"{name}: {INSTEAD[tuple(self.option_strings)]}.")


def add_foreign(parser: ArgumentParser) -> None:
    """Known, but not shown."""
    for names in INSTEAD:
        parser.add_argument(*names, action=_Foreign, nargs=0, dest=SUPPRESS, help=SUPPRESS)
