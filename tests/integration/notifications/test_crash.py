"""A scheduler that is killed while it tells somebody: the next one tells it."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from django.db.models.functions import Now

from jobs import parking
from jobs.models import Notification
from tests.integration.notifications.conftest import SECRET
from tests.support.databases import ROOT, product_environment
from tests.unit.jobs import builders


def start_scheduler(receiver) -> subprocess.Popen:
    from django.db import connection

    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"]
    url = f"sqlite:///{name}" if connection.vendor == "sqlite" else f"{url.rpartition('/')[0]}/{name}"
    environment = product_environment(
        DATABASE_URL=url, WEBHOOKS=f"{receiver.origin}/hook", WEBHOOK_SECRET=SECRET, BROKER_URL="database://"
    )
    command = [sys.executable, str(ROOT / "manage.py"), "runscheduler"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


@pytest.mark.django_db(transaction=True)
def test_what_was_being_told_when_the_scheduler_was_killed_is_told_by_the_next(receiver):
    asked, told = threading.Event(), threading.Event()

    def hang(handler) -> None:
        asked.set()
        receiver.let_go.wait(60)

    def take(handler) -> None:
        handler.send_response(204)
        handler.end_headers()
        told.set()

    receiver.answers = [hang, take]
    parking.park(builders.new_job(), "ROOT_CHANGED", "why")
    first = start_scheduler(receiver)
    assert asked.wait(60)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    # Its claim is over after two minutes.
    Notification.objects.filter(ended_at=None, channel="webhook").update(not_before=Now())
    second = start_scheduler(receiver)
    try:
        assert told.wait(60)
    finally:
        second.terminate()
        second.wait()
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1
    assert Notification.objects.get(channel="webhook").ended_at
