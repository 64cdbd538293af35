"""The first login of an installation that nobody has set up yet."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db import transaction
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

ADMIN = "admin"


class FirstLogin(NamedTuple):
    """What `make run` tells its user."""

    user: str
    password: str
    token: str
    """For the API; the database keeps only its hash."""


def first_login(folder: Path) -> FirstLogin:
    """The administrator made for this installation, with a token that works: read from `folder`, or made and kept
    there in files only their owner can read. A password that was changed since is not known here."""
    password_file, token_file = folder / "admin-password", folder / "api-token"
    with transaction.atomic():
        user = get_user_model().objects.filter(username=ADMIN).first()
        if user is None:
            password = secrets.token_urlsafe(12)
            user = get_user_model().objects.create_superuser(username=ADMIN, password=password)
            _keep(password_file, password)
        token = _read(token_file)
        if not _works(token):
            token = AuthToken.objects.create(user)[1]
            _keep(token_file, token)
    password = _read(password_file)
    return FirstLogin(ADMIN, password if user.check_password(password) else "(the one you chose)", token)


def _works(token: str) -> bool:
    try:
        return bool(token) and TokenAuthentication().authenticate_credentials(token.encode()) is not None
    except AuthenticationFailed:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _keep(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
