"""manage.py apitoken USER: a new key for the API."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from knox.models import AuthToken
from knox.settings import knox_settings

MAX_DAYS = 3650


class Command(BaseCommand):
    """Prints the key, and nothing else, on stdout. It can't be shown again: the database keeps its hash."""

    help = "Print a new API key for a user. It is shown once and expires."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """USER [--days N]"""
        parser.add_argument("user", help="User name; `manage.py createsuperuser` makes one.")
        parser.add_argument("--days", type=int, help="Until it expires; API_TOKEN_DAYS unless given.")

    def handle(self, *args: Any, user: str, days: int | None, **options: Any) -> None:
        """Raises CommandError for an unknown or disabled user."""
        _, key = AuthToken.objects.create(_find(user), expiry=_lifetime(days))
        self.stdout.write(key)


def _find(name: str) -> Any:
    found = get_user_model().objects.filter(username=name).first()
    if found is None:
        raise CommandError(f"There is no user {name!r}. `manage.py createsuperuser` makes one.")
    if not found.is_active:
        raise CommandError(f"The user {name!r} is disabled.")
    return found


def _lifetime(days: int | None) -> timedelta:
    if days is None:
        default: timedelta = knox_settings.TOKEN_TTL
        return default
    if not 1 <= days <= MAX_DAYS:
        raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
    return timedelta(days=days)
