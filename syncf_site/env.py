"""The one place that reads the environment. `.env.example` describes every variable; a test keeps the two in step.

Precedence: the process's environment, then the file `.env` at the project's root, then the defaults below.
An empty value counts as unset.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from syncf_site.notifications import read_notifications
from syncf_site.variables import choice, flag, number, words

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
PLACEHOLDER = "change-me"
MIN_KEY_LENGTH = 16
DEBUG_KEY = "django-insecure-used-only-while-DEBUG-is-on"
NEW_KEY_COMMAND = 'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
MIN_TOKEN_CHARACTERS = 20
STORAGE_PREFIX = "STORAGE_"
#: Google's SDK reads this one itself: it points at an emulator and is no storage of ours.
NOT_A_STORAGE = frozenset({"STORAGE_EMULATOR_HOST"})


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """Everything an operator can say, checked. Raises nothing later. Never printed: keys and passwords are in it."""

    secret_key: str
    debug: bool
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    secure: bool
    """Browsers reach the site over https: redirects, HSTS, cookies for https only."""
    database_url: str
    broker_url: str
    base_path: Path
    """Absolute."""
    allow_whole_machine: bool
    """`/` may be a storage."""
    storages: dict[str, str]
    """Alias in lower case → URL. Always holds `local`."""
    trusted_proxies: int
    """How many proxies in front write X-Forwarded-For."""
    api_token_days: int
    api_requests_per_minute: int
    """Of one user."""
    metrics_token: str
    """Empty: /metrics is off."""
    webhooks: list[str]
    """URLs told of every job."""
    webhook_origins: list[str]
    """Where a job may name a URL of its own."""
    webhook_secret: str
    email: dict[str, Any]
    """Django's EMAIL_* settings; empty: none is sent."""
    email_from: str
    notify_emails: list[str]
    """Addresses told of every job."""
    log_format: str
    """`text` or `json`."""
    log_level: str


def load() -> Environment:
    """Read the process's environment, completed by the file."""
    complete()
    return read(os.environ)


def complete() -> None:
    """Complete the process's environment by the file, which also serves the SDKs' own variables. Raises
    ImproperlyConfigured where it is not UTF-8, can't be read, or was named and is missing: what it says would silently
    not hold."""
    named = os.environ.get("SYNCF_ENV_FILE")
    file = Path(named or ROOT / ".env").absolute()
    try:
        file.open("rb").close()
    except FileNotFoundError:
        if not named:
            return
        raise ImproperlyConfigured(
            f"{file}, which SYNCF_ENV_FILE names, is not there; put it there, or set SYNCF_ENV_FILE to another file "
            "(/dev/null: none)."
        ) from None
    except OSError as error:
        raise ImproperlyConfigured(
            f"{file} can't be read by user {os.geteuid()} ({error.strerror}); let that user read it, or set "
            "SYNCF_ENV_FILE to another file (/dev/null: none)."
        ) from None
    try:
        environ.Env.read_env(file)
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(
            f"{file} is not in UTF-8 (it holds a byte 0x{error.object[error.start]:02x}); save it in UTF-8, or set "
            "SYNCF_ENV_FILE to another file."
        ) from None


def read(source: Mapping[str, str]) -> Environment:
    """Check what `source` says. Raises ImproperlyConfigured naming the variable and what it may be."""
    debug = flag(source, "DEBUG", default=False)
    hosts = words(source, "ALLOWED_HOSTS") or list(LOOPBACK_HOSTS)
    secure = flag(source, "SECURE", default=not debug and not set(hosts) <= set(LOOPBACK_HOSTS))
    base_path = ROOT / Path(source.get("BASE_PATH") or "data").expanduser()
    allow_whole_machine = flag(source, "ALLOW_WHOLE_MACHINE", default=False)
    storages = {"local": base_path.as_uri(), **_storages(source)}
    _refuse_root(storages, base_path, is_allowed=allow_whole_machine)
    return Environment(
        secret_key=_secret_key(source, debug=debug),
        debug=debug,
        allowed_hosts=hosts,
        csrf_trusted_origins=words(source, "CSRF_TRUSTED_ORIGINS"),
        secure=secure,
        database_url=source.get("DATABASE_URL") or "sqlite:///var/syncf.sqlite3",
        broker_url=source.get("BROKER_URL") or "database://",
        base_path=base_path,
        allow_whole_machine=allow_whole_machine,
        storages=storages,
        trusted_proxies=number(source, "TRUSTED_PROXIES", range(0, 11), default=int(secure)),
        api_token_days=number(source, "API_TOKEN_DAYS", range(1, 3651), default=90),
        api_requests_per_minute=number(source, "API_REQUESTS_PER_MINUTE", range(20, 1_000_001), default=1200),
        metrics_token=_metrics_token(source),
        **read_notifications(source),
        log_format=choice(source, "LOG_FORMAT", ("text", "json")),
        log_level=choice(source, "LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
    )


def _secret_key(source: Mapping[str, str], *, debug: bool) -> str:
    key = source.get("SECRET_KEY", "")
    if debug:
        return key or DEBUG_KEY
    if _is_placeholder(key):
        problem = "is a placeholder that others know or guess" if key and key != PLACEHOLDER else "is not set"
        raise ImproperlyConfigured(
            f"SECRET_KEY {problem}. `make setup` writes one to .env; by hand: {NEW_KEY_COMMAND}, "
            "then set SECRET_KEY to what it prints, in the environment or in .env."
        )
    return key


def _is_placeholder(key: str) -> bool:
    """Short, or what `startproject` and examples write. What is merely weak `check --deploy` and `doctor` tell."""
    letters = re.sub("[^a-z]", "", key.lower())
    examples = ("changeme", "djangoinsecure", "yoursecretkey", "replaceme", "placeholder")
    return len(key) < MIN_KEY_LENGTH or letters.startswith(examples)


def _refuse_root(storages: Mapping[str, str], base_path: Path, *, is_allowed: bool) -> None:
    """A storage is what everybody with an account may read and overwrite."""
    for alias, url in storages.items():
        if is_allowed or not url.startswith("file:") or os.path.normpath(unquote(urlsplit(url).path)).strip("/"):
            continue
        name = "BASE_PATH" if url == base_path.as_uri() else f"{STORAGE_PREFIX}{alias.upper()}"
        raise ImproperlyConfigured(
            f"{name} is /, so that jobs could read and overwrite all of this machine. Name a directory "
            f"({name}={'' if name == 'BASE_PATH' else 'file://'}/srv/files), or, if that is what you want, set "
            "ALLOW_WHOLE_MACHINE=true."
        )


def _storages(source: Mapping[str, str]) -> dict[str, str]:
    names = sorted(name for name in source if name.startswith(STORAGE_PREFIX) and name not in NOT_A_STORAGE)
    storages = {}
    for name in names:
        alias = name.removeprefix(STORAGE_PREFIX).lower()
        if not source[name]:
            continue
        if not re.fullmatch(r"[a-z][a-z0-9_]*", alias):
            raise ImproperlyConfigured(f"{name}: a storage's alias is a letter, then letters, digits and underscores.")
        if "://" not in source[name]:
            raise ImproperlyConfigured(f"{name} must be a URL such as file:///srv/files or s3://bucket/prefix.")
        storages[alias] = source[name]
    return storages


def _metrics_token(source: Mapping[str, str]) -> str:
    token = source.get("METRICS_TOKEN", "")
    if token and not (len(token) >= MIN_TOKEN_CHARACTERS and token.isascii() and token.isprintable()):
        raise ImproperlyConfigured(f"METRICS_TOKEN must have at least {MIN_TOKEN_CHARACTERS} ASCII characters.")
    return token
