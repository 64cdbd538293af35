"""`manage.py janitor`: what unfinished uploads lie around, and removing those that nobody will finish."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs.management.checked import CheckedCommand
from jobs.storages import configured
from jobs.words import human_bytes
from storage_backends.base import Storage
from storage_backends.errors import StorageError
from storage_backends.names import display_path
from storage_backends.registry import open_storage
from transfers.management.janitor import Leftover, Owner, leftovers, remove


class Command(CheckedCommand):
    """List unfinished uploads and partials with the bytes they hold, and remove this installation's that are left."""

    help = (
        "List unfinished uploads and partials at every storage, with the bytes they hold. With --remove, those of this "
        "installation that no live task owns are removed; strangers' never are. Exit code 1 if a storage can't be "
        "looked at or something can't be removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which storages, and whether to remove."""
        parser.add_argument("aliases", nargs="*", metavar="ALIAS", help="storages to look at; all without one")
        parser.add_argument("--remove", action="store_true", help="remove what nobody will finish")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at one storage after the other."""
        urls = configured()
        unknown = set(options["aliases"]) - urls.keys()
        if unknown:
            known = ", ".join(sorted(urls))
            message = f"There is no storage called {sorted(unknown)[0]!r}. Configured are: {known}."
            raise CommandError(message, returncode=2)
        results = [self._look(alias, urls[alias], options["remove"]) for alias in options["aliases"] or sorted(urls)]
        sys.exit(0 if all(results) else 1)

    def _look(self, alias: str, url: str, is_removing: bool) -> bool:
        try:
            storage = open_storage(url)
            try:
                return self._tidy(alias, storage, is_removing)
            finally:
                storage.close()
        except StorageError as error:
            self.stderr.write(f"{alias}: {error}")
            return False

    def _tidy(self, alias: str, storage: Storage, is_removing: bool) -> bool:
        if not storage.capabilities.lists_uploads:
            days = storage.capabilities.upload_ttl_days
            self.stdout.write(f"{alias}: this service can't list them; it forgets them by itself after {days} days")
            return True
        is_clean, held = True, Counter[Owner]()
        for leftover in leftovers(storage):
            held[leftover.owner] += leftover.size
            what: str = leftover.owner
            if is_removing and leftover.owner is Owner.NOBODY:
                what = self._remove(storage, leftover)
                is_clean &= what == "removed"
            self.stdout.write(f"{what:10}  {human_bytes(leftover.size):>10}  {alias}:{display_path(leftover.path)}")
        totals = ", ".join(f"{human_bytes(size)} {owner}" for owner, size in sorted(held.items()))
        self.stdout.write(f"{alias}: {totals or 'nothing unfinished'}")
        return is_clean

    def _remove(self, storage: Storage, leftover: Leftover) -> str:
        try:
            remove(storage, leftover)
        except StorageError as error:
            self.stderr.write(f"{display_path(leftover.path)}: {error}")
            return "not removed"
        return "removed"
