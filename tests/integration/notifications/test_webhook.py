"""Webhooks against a real web server: signed, sent once, tried again, never led elsewhere, never in the way."""

import json
import logging
import re
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.models import JobEvent, Notification
from jobs.notifications import delivery, webhook
from jobs.notifications.outbox import Happening, address_all, tell
from tests.integration.notifications.conftest import SECRET
from tests.support.databases import ROOT

pytestmark = pytest.mark.django_db


def send_all() -> int:
    address_all()
    return delivery.deliver_due(lambda: False)


def documented_verification():
    """The function of docs/notifications.md."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/notifications.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(code, names)
    return names["verify"]


def waiting() -> list[Notification]:
    return list(Notification.objects.filter(ended_at=None).order_by("created_at"))


def make_due() -> None:
    Notification.objects.filter(ended_at=None).update(not_before=Now())


def test_the_signature_is_that_of_the_standard():
    """The example of the specification of Standard Webhooks."""
    secret, uid = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signature = webhook.sign(secret, uid, 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_gets_what_happened_signed_and_dated(receiver, job):
    tell(job, Happening.PARKED, reason_code="ROOT_CHANGED", text="Is its disk mounted?")
    assert send_all() == 1 and not waiting()
    [(path, headers, body)] = receiver.requests
    told = json.loads(body)
    assert (path, told["type"], told["data"]["job_id"]) == ("/hidden-token", "job.parked", str(job.pk))
    assert (told["data"]["reason_code"], told["data"]["name"]) == ("ROOT_CHANGED", "photos")
    verify = documented_verification()
    assert verify(SECRET, headers, body)
    assert not verify(SECRET, headers, body + b" ")
    assert not verify("whsec_" + "QUJD" * 8, headers, body)
    assert not verify(SECRET, {**headers, "webhook-id": "another"}, body)
    old = str(int(time.time()) - 400)
    signature = webhook.sign(SECRET, headers["webhook-id"], int(old), body)
    assert not verify(SECRET, {**headers, "webhook-timestamp": old, "webhook-signature": signature}, body)


def test_a_job_may_have_an_address_of_its_own_and_each_is_told_once(receiver, job):
    job.webhook_url = f"{receiver.origin}/mine"
    job.save()
    tell(job, Happening.COMPLETED)
    send_all()
    assert sorted(path for path, *_ in receiver.requests) == ["/hidden-token", "/mine"]
    assert send_all() == 0 and len(receiver.requests) == 2


def test_what_was_refused_is_sent_again_later_under_the_same_id(receiver, job):
    receiver.answers = [500, 503]
    tell(job, Happening.COMPLETED)
    for attempt in (1, 2):
        assert send_all() == 0
        [left] = waiting()
        assert (left.attempts, left.error) == (attempt, f"HTTP {500 if attempt == 1 else 503}")
        assert left.not_before > left.created_at + 0.9 * delivery.pause_after(attempt)
        assert delivery.deliver_due(lambda: False) == 0  # not before its time
        make_due()
    assert send_all() == 1 and not waiting()
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1 and len(receiver.requests) == 3


def test_pauses_double_up_to_an_hour():
    pauses = [delivery.pause_after(attempts).total_seconds() for attempts in (1, 2, 3, 8, 100)]
    assert pauses == [30, 60, 120, 3600, 3600]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, job, status):
    receiver.answers = [(status, ("Location", f"{receiver.origin}/elsewhere"))]
    tell(job, Happening.COMPLETED)
    assert send_all() == 0
    assert [path for path, *_ in receiver.requests] == ["/hidden-token"]
    assert "redirects are not followed" in waiting()[0].error


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/x", "http://hooks..example.org/x", f"http://{'a' * 64}.org/"])
def test_an_address_that_is_none_is_put_off_like_any_that_does_not_answer(job, settings, url):
    settings.WEBHOOKS = [url]
    tell(job, Happening.COMPLETED)
    assert send_all() == 0
    assert [left.error for left in waiting()] != [""]


def hang(receiver):
    return lambda handler: receiver.let_go.wait(20)


def drip(receiver):
    """Answers without end, a byte now and then: no single step ever times out."""

    def answer(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not receiver.let_go.wait(0.05):
            handler.wfile.write(b"x")

    return answer


@pytest.mark.parametrize("behaviour", [hang, drip])
def test_a_receiver_that_never_ends_its_answer_is_left(receiver, job, monkeypatch, behaviour):
    monkeypatch.setattr(webhook, "DEADLINE_SECONDS", 0.4)
    receiver.answers = [behaviour(receiver)]
    tell(job, Happening.COMPLETED)
    begun = time.monotonic()
    assert send_all() == 0
    assert time.monotonic() - begun < 4 and len(waiting()) == 1


def test_nobody_listens(receiver, job):
    receiver.close()
    tell(job, Happening.COMPLETED)
    assert send_all() == 0 and waiting()[0].error


def test_an_address_that_does_not_answer_costs_one_attempt_not_one_for_each_that_waits(receiver, job):
    receiver.answers = [500]
    for _ in range(5):
        tell(job, Happening.COMPLETED)
    assert send_all() == 0
    assert len(receiver.requests) == 1 and sorted(row.attempts for row in waiting()) == [0, 0, 0, 0, 1]


def test_an_address_the_operator_no_longer_allows_is_not_asked(receiver, job, settings):
    tell(job, Happening.COMPLETED)
    address_all()
    settings.WEBHOOKS = settings.WEBHOOK_ORIGINS = []
    assert send_all() == 0
    assert receiver.requests == [] and "does not allow" in waiting()[0].error


def test_after_three_days_it_is_given_up_and_history_says_so(receiver, job):
    receiver.answers = [500]
    tell(job, Happening.COMPLETED)
    address_all()
    Notification.objects.update(created_at=Now() - delivery.GIVE_UP_AFTER - timedelta(seconds=1))
    send_all()
    event = JobEvent.objects.get(action="not_told")
    assert not waiting() and "HTTP 500" in event.text and "hidden-token" not in event.text


def test_neither_logs_nor_rows_tell_the_secret_or_the_path(receiver, job, caplog):
    receiver.answers = [500]
    tell(job, Happening.COMPLETED)
    with caplog.at_level(logging.DEBUG):
        send_all()
    assert "HTTP 500" in caplog.text
    assert "hidden-token" not in caplog.text and SECRET.removeprefix("whsec_") not in caplog.text
    assert "hidden-token" not in waiting()[0].error


def test_what_is_undone_is_not_told(receiver, job):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(job, Happening.COMPLETED)
        raise ZeroDivisionError
    assert send_all() == 0 and receiver.requests == []


def test_a_claim_whose_process_died_is_free_again_after_a_while(receiver, job):
    tell(job, Happening.COMPLETED)
    address_all()
    assert delivery._claim() and not delivery.is_due()
    Notification.objects.filter(ended_at=None).update(not_before=Now() - timedelta(seconds=1))
    assert send_all() == 1


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_send_everything_once(receiver, job):
    for _ in range(10):
        tell(job, Happening.COMPLETED)
    barrier, counts = threading.Barrier(2), []

    def work() -> None:
        barrier.wait()
        counts.append(send_all())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while not counts or (sum(counts) < 10 and delivery.is_due()):
        counts.append(send_all())
    assert sum(counts) == 10 == len(receiver.requests) == len({h["webhook-id"] for _, h, _ in receiver.requests})
