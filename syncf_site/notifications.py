"""Who is told of what happens to jobs, and by which server: the variables of notifications."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from syncf_site.variables import words

EMAIL_TIMEOUT_SECONDS = 10
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")
_WEBHOOK = re.compile(_ORIGIN.pattern + r"([/?][!-~]*)?")


def read_notifications(source: Mapping[str, str]) -> dict[str, Any]:
    """The fields of `Environment` that are about them. Raises ImproperlyConfigured."""
    webhooks, origins = words(source, "WEBHOOKS"), words(source, "WEBHOOK_ORIGINS")
    for name, urls, shape in (("WEBHOOKS", webhooks, _WEBHOOK), ("WEBHOOK_ORIGINS", origins, _ORIGIN)):
        for url in urls:
            if not shape.fullmatch(url):
                example = "https://hooks.example.org" + ("/syncf" if shape is _WEBHOOK else ":8443")
                raise ImproperlyConfigured(f"{name} must be URLs such as {example}, separated by commas.")
    return {
        "webhooks": webhooks,
        "webhook_origins": origins,
        "webhook_secret": _webhook_secret(source, is_needed=bool(webhooks or origins)),
        "email": _email(source),
        "email_from": source.get("EMAIL_FROM") or "syncf@localhost",
        "notify_emails": words(source, "NOTIFY_EMAILS"),
    }


def _webhook_secret(source: Mapping[str, str], *, is_needed: bool) -> str:
    secret = source.get("WEBHOOK_SECRET", "")
    if not secret and not is_needed:
        return ""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        command = "python3 -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\""
        raise ImproperlyConfigured(f"WEBHOOK_SECRET must be whsec_ and 24 to 64 bytes as base64; a new one: {command}")
    return secret


def _email(source: Mapping[str, str]) -> dict[str, Any]:
    url = source.get("EMAIL_URL", "")
    if not url and source.get("NOTIFY_EMAILS"):
        raise ImproperlyConfigured("NOTIFY_EMAILS needs EMAIL_URL, as in smtp+tls://user:password@mail.example.org:587.")
    if not url:
        return {}
    try:
        return {**environ.Env.email_url_config(url), "EMAIL_TIMEOUT": EMAIL_TIMEOUT_SECONDS}
    except (KeyError, ImproperlyConfigured):
        raise ImproperlyConfigured("EMAIL_URL must begin with smtp://, smtp+tls:// or smtp+ssl://.") from None
