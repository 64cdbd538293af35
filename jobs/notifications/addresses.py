"""Who is told, and which URLs a job may name: only those at origins that the operator allows."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from jobs.errors import Refusal
from jobs.models import Job, Notification

DEFAULT_PORTS = {"http": 80, "https": 443}


def addresses_of(job: Job) -> list[tuple[str, str]]:
    """(channel, address) of everybody who wants to know of this job, each once."""
    urls = [*settings.WEBHOOKS, *([job.webhook_url] if job.webhook_url else [])]
    webhooks = [(Notification.Channel.WEBHOOK.value, url) for url in dict.fromkeys(urls)]
    return webhooks + [(Notification.Channel.EMAIL.value, address) for address in _mail_addresses(job)]


def _mail_addresses(job: Job) -> list[str]:
    """The operator's, and the owner's own; none where e-mail is not configured."""
    if not settings.SENDS_EMAIL:
        return []
    owner = [job.owner.email] if job.owner and job.owner.email else []
    return list(dict.fromkeys([*settings.NOTIFY_EMAILS, *owner]))


def check_webhook(url: str) -> None:
    """Raise Refusal unless `url` is empty or lies at an origin of WEBHOOK_ORIGINS."""
    if url and not is_allowed(url):
        origins = ", ".join(settings.WEBHOOK_ORIGINS) or "none; the operator adds them to WEBHOOK_ORIGINS"
        raise Refusal(
            "WEBHOOK_NOT_ALLOWED",
            "The operator does not allow webhooks to that address.",
            field="webhook_url",
            hint=f"Allowed are URLs at: {origins}.",
        )


def is_allowed(url: str) -> bool:
    """Whether the operator named this URL, or its origin for jobs to name."""
    if url in settings.WEBHOOKS:
        return True
    origin = origin_of(url)
    return origin is not None and origin in map(origin_of, settings.WEBHOOK_ORIGINS)


def origin_of(url: str) -> tuple[str, str, int] | None:
    """(scheme, host, port); None for what is no plain http(s) URL: user names and odd characters are refused, because
    two parsers may read such a URL in two ways."""
    if not url.isascii() or not url.isprintable() or any(character in url for character in " \\@#<>\"'"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
