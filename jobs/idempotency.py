"""Asking twice for one job: a client that got no answer sends the same request with the same key again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from jobs import services
from jobs.errors import Refusal
from jobs.models import IdempotencyKey, Job

MAX_KEY_CHARACTERS = 255


class KeyReused(Refusal):
    """The key stands for another request (HTTP 422)."""

    status = 422

    def __init__(self) -> None:
        super().__init__(
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key was sent before, with another body.",
            hint="Draw a new key for every new job; repeat the old one only with the very same body.",
        )


def create_job_once(*, key: str, actor: str, owner: AbstractBaseUser, **request: Any) -> tuple[Job, bool]:
    """`services.create_job`, or the job that this owner's `key` made before; and whether it is new.

    Of two requests at the same time one waits for the other. Raises KeyReused (422) for another `request`, Refusal
    BAD_IDEMPOTENCY_KEY (400), and whatever create_job raises; then the key is free again."""
    _check(key)
    digest = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).digest()
    with transaction.atomic():
        services.lock_installation()
        known = IdempotencyKey.objects.select_related("job").filter(user_id=owner.pk, key=key).first()
        if known is None:
            job = services.create_job(actor=actor, owner=owner, **request)
            IdempotencyKey.objects.create(user_id=owner.pk, key=key, request_sha256=digest, job=job)
            return job, True
    if bytes(known.request_sha256) != digest:
        raise KeyReused
    return known.job, False


def _check(key: str) -> None:
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= MAX_KEY_CHARACTERS):
        hint = "A random UUID is a good one."
        message = f"An Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters."
        raise Refusal("BAD_IDEMPOTENCY_KEY", message, hint=hint)
