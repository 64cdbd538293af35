"""E-mail through a real mail server."""

import email
import email.policy

import pytest

from jobs.models import Notification
from jobs.notifications import delivery
from jobs.notifications.outbox import Happening, address_all, tell

pytestmark = pytest.mark.django_db


def send_all() -> int:
    address_all()
    return delivery.deliver_due(lambda: False)


def letters(mailbox) -> list:
    return [email.message_from_bytes(letter.content, policy=email.policy.default) for letter in mailbox.letters]


def test_the_operator_and_the_owner_are_told_what_happened_and_what_to_do(mailbox, job):
    tell(job, Happening.FAILING, reason_code="SINK_PERMISSION_DENIED", text="mkdir: Permission denied")
    assert send_all() == 2
    assert sorted(letter.rcpt_tos[0] for letter in mailbox.letters) == ["admin@example.org", "ann@example.org"]
    letter = letters(mailbox)[0]
    assert (letter["Subject"], letter["From"]) == ("SyncF: photos: failing", "SyncF <syncf@example.org>")
    assert letter["Auto-Submitted"] == "auto-generated" and letter["Message-ID"].endswith("@example.org>")
    text = letter.get_content()
    for sentence in ("SINK_PERMISSION_DENIED mkdir: Permission denied", "Give its user the permission.", str(job.pk)):
        assert sentence in text


def test_a_jobs_name_makes_no_header(mailbox, job):
    job.name = "x\r\nBcc: victim@example.org\r\n\r\nbody"
    job.save()
    tell(job, Happening.PARKED)
    assert send_all() == 2
    assert all(letter["Bcc"] is None and "Bcc" in letter["Subject"] for letter in letters(mailbox))
    assert {letter.rcpt_tos[0] for letter in mailbox.letters} == {"admin@example.org", "ann@example.org"}


def test_a_letter_the_server_did_not_take_is_sent_again(mailbox, job, settings):
    settings.NOTIFY_EMAILS = []
    mailbox.refusal = "451 come back later"
    tell(job, Happening.COMPLETED)
    assert send_all() == 0
    [left] = Notification.objects.filter(ended_at=None)
    assert left.error == "the mail server said 451"
    mailbox.refusal = ""
    Notification.objects.filter(ended_at=None).update(not_before=left.created_at)
    assert send_all() == 1 and len(mailbox.letters) == 1


def test_without_a_mail_server_nobody_gets_mail(job, settings):
    settings.SENDS_EMAIL = False
    settings.NOTIFY_EMAILS = ["admin@example.org"]
    tell(job, Happening.COMPLETED)
    assert address_all() == 0
