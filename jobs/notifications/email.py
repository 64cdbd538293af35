"""One message, sent as Django's settings say."""

from __future__ import annotations

import json
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core import mail

from jobs.notifications import NotDelivered
from jobs.notifications.outbox import Happening
from jobs.reasons import REASONS

_SUBJECTS = {
    Happening.FAILING: "failing",
    Happening.PARKED: "parked, nothing is copied",
    Happening.RECOVERED: "all is well again",
    Happening.COMPLETED: "completed",
}


def send(address: str, *, uid: str, payload: bytes) -> None:
    """Hand it to the mail server; raises NotDelivered."""
    from smtplib import SMTPException, SMTPResponseException  # a scheduler that sends nothing does not wait for it

    told = json.loads(payload)
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message = mail.EmailMessage(
        subject=_subject(told),
        body=_body(told),
        to=[address],
        headers={"Message-ID": f"<{uid}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except SMTPResponseException as error:
        raise NotDelivered(f"the mail server said {error.smtp_code}") from error
    except (OSError, SMTPException) as error:
        raise NotDelivered(f"{type(error).__name__} from the mail server") from error


def _subject(told: dict[str, Any]) -> str:
    """One line whatever the job is called."""
    data = told["data"]
    name = data["name"] or f"{data['source']} → {data['sink']}"
    return " ".join(f"SyncF: {name}: {_SUBJECTS[told['type']]}".split())[:200]


def _body(told: dict[str, Any]) -> str:
    data = told["data"]
    lines = [f"{data['source']} → {data['sink']}", f"job {data['job_id']}, {data['status']}", ""]
    if data["text"] or data["reason_code"]:
        lines += [f"{data['reason_code']} {data['text']}".strip()]
        lines += [reason.hint for code, reason in REASONS.items() if code == data["reason_code"]]
        lines += [""]
    lines += [f"{data['completed']} of {data['files']} files are at the sink, {data['failed']} failed."]
    return "\n".join([*lines, f"At {told['timestamp']}.", ""])
