"""Sending what waits in the outbox, one after the other. Safe to run in several processes: each row is claimed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import JobEvent, Notification
from jobs.notifications import NotDelivered
from jobs.notifications.addresses import is_allowed

log = logging.getLogger(__name__)

#: Longer than any attempt takes: a claim whose process died is free again after this.
CLAIM = timedelta(seconds=120)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)


def is_due() -> bool:
    """Whether anything waits to be sent now."""
    return _due().exists()


def deliver_due(should_stop: Callable[[], bool]) -> int:
    """Send everything that is due; returns how much was delivered."""
    count = 0
    while not should_stop() and (notification := _claim()):
        count += _attempt(notification)
    return count


def _due() -> QuerySet[Notification]:
    addressed = Notification.objects.exclude(channel=Notification.Channel.EVERYBODY)
    return addressed.filter(ended_at=None, not_before__lte=Now())


def _claim() -> Notification | None:
    """The oldest that is due, no longer due for anybody else."""
    for found in _due().order_by("not_before")[:10]:
        mine = _due().filter(pk=found.pk, attempts=found.attempts)
        if mine.update(attempts=found.attempts + 1, not_before=Now() + CLAIM):
            return Notification.objects.select_related("job").filter(pk=found.pk).first()
    return None


def _attempt(notification: Notification) -> bool:
    """One try; False if it has to be tried again or was given up."""
    try:
        _send(notification)
    except NotDelivered as error:
        log.warning("notification %s did not reach %s: %s", notification.pk, _whom(notification), error)
        _put_off(notification, str(error))
        return False
    Notification.objects.filter(pk=notification.pk).update(ended_at=Now(), error="")
    return True


def _send(notification: Notification) -> None:
    from jobs.notifications import email, webhook  # TLS and mail, which a scheduler that sends nothing does not need

    uid, payload = str(notification.pk), notification.payload.encode()
    if notification.channel == Notification.Channel.EMAIL:
        email.send(notification.address, uid=uid, payload=payload)
    elif is_allowed(notification.address):
        webhook.post(notification.address, uid=uid, payload=payload)
    else:
        raise NotDelivered("the operator does not allow that address any more")


def _put_off(notification: Notification, error: str) -> None:
    """Try again later, and everything else for that address not before: what does not answer costs one attempt, not
    one for each that waits."""
    mine = Notification.objects.filter(pk=notification.pk)
    if timezone.now() - notification.created_at > GIVE_UP_AFTER:
        _give_up(notification, error)
        return
    later = Now() + pause_after(notification.attempts)
    mine.update(error=error, not_before=later)
    same = {"channel": notification.channel, "address": notification.address}
    Notification.objects.filter(**same, ended_at=None, not_before__lt=later).update(not_before=later)


def pause_after(attempts: int) -> timedelta:
    """30 s, doubled with each attempt up to an hour."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(attempts - 1, 16)))


def _give_up(notification: Notification, error: str) -> None:
    with transaction.atomic():
        if Notification.objects.filter(pk=notification.pk, ended_at=None).update(ended_at=Now(), error=error):
            text = f"{notification.channel} to {_whom(notification)}: {error}"
            JobEvent.objects.create(job_id=notification.job_id, actor="scheduler", action="not_told", text=text)


def _whom(notification: Notification) -> str:
    """The address without what may be secret in it."""
    if notification.channel == Notification.Channel.EMAIL:
        return notification.address
    return str(urlsplit(notification.address).netloc)
