"""What belongs to one owner, and the people who must not get at it."""

import uuid
from datetime import timedelta
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db.models import CharField, TextField
from django.test import Client
from knox.models import AuthToken

from jobs import slaves
from jobs.models import Job, JobEvent, Scan, Slave, Task
from tests.integration.site.addresses import Address

MARK = "<script>alert('canary')</script><img src=x onerror=alert(1)>\"'\u202e\r\nX-Injected: 1"
"""Stands in every text that belongs to the owner: found anywhere it was leaked, found as it stands it was injected."""
LEAK = "canary"


class Things(NamedTuple):
    """One of each."""

    job: Job
    task: Task
    scan: Scan
    event: JobEvent
    slave: Slave
    token: AuthToken
    owner: User

    def ids(self) -> dict[str, str]:
        """Admin model → id."""
        return {
            **{"job": str(self.job.pk), "task": str(self.task.pk), "scan": str(self.scan.pk)},
            **{"jobevent": str(self.event.pk), "slave": str(self.slave.pk), "authtoken": self.token.pk},
            **{"user": str(self.owner.pk), "group": str(Group.objects.get_or_create(name="group")[0].pk)},
        }

    def values(self, address: Address) -> dict[str, str]:
        """What the parameters of an address stand for: these things."""
        return {**self._common(address), **_of_admin(address, self.ids())}

    def _common(self, address: Address) -> dict[str, str]:
        pk = str(self.slave.pk) if "/slaves/" in address.template else str(self.job.pk)
        return {
            **{"pk": pk, "scan_id": str(self.scan.pk), "task_id": str(self.task.pk)},
            **{"verb": "kill", "app_label": "jobs", "url": "nonsense"},
            **{"content_type_id": "1", "side": "source", "alias": "local"},
        }


def unknown(address: Address) -> dict[str, str]:
    """The same parameters, of things that are not there."""
    nothing = str(uuid.UUID(int=7))
    numbers = dict.fromkeys(("task", "scan", "jobevent", "user", "group"), "987654321")
    ids = {**numbers, "job": nothing, "slave": nothing, "authtoken": "0" * 64}
    return {
        **{"pk": nothing, "scan_id": "987654321", "task_id": "987654321"},
        **{"verb": "kill", "app_label": "jobs", "url": "nonsense"},
        **{"content_type_id": "1", "side": "source", "alias": "nonsense", **_of_admin(address, ids)},
    }


def _of_admin(address: Address, ids: dict[str, str]) -> dict[str, str]:
    parts = address.template.split("/")
    model = parts[3] if len(parts) > 3 and parts[1] == "admin" else ""
    found = ids.get(model, ids["job"])
    return {"object_id": found, "id": found}


def make_things(owner: User) -> Things:
    """A job with everything that can hang on it, the mark in every text column that takes it."""
    job = Job.objects.create(owner=owner, source_type="local", source_path="/in", sink_type="local", sink_path="/out")
    slave = Slave(name="s", host="h", pid=1, machine_id="m", process="p", concurrency=1, version="1", aliases=["local"])
    slaves.sign_on(slave)
    task = job.tasks.create(
        kind="file", path=b"x", path_sha256=b"x", path_display="x", status="failed", reason_code="SINK_IO_ERROR"
    )
    scan = job.scans.create()
    scan.findings.create(verdict="error", path_display="x")
    event = job.events.create(actor="user:x", action="pause")
    token, _ = AuthToken.objects.create(owner, expiry=timedelta(hours=1))
    things = Things(job, task, scan, event, slave, token, owner)
    for model in apps.get_app_config("jobs").get_models():
        mark(model)
    return things


#: What only takes words of ours, what a row is found by, and what a job is about.
_OURS = {"status", "state", "kind", "verdict", "verify", "phase", "action", "key", "identifier"}
_PLACES = {"source_type", "sink_type", "machine_id"}


def _is_ours(name: str) -> bool:
    return name in _OURS | _PLACES or name.endswith("_code")


def mark(model: Any) -> None:
    """The mark in every free text of every row."""
    fields = [field for field in model._meta.fields if isinstance(field, CharField | TextField)]
    free = [field for field in fields if not (field.primary_key or field.choices or _is_ours(field.name))]
    for field in free:
        value = MARK[: field.max_length] if field.max_length else MARK
        if field.unique:
            continue
        model.objects.update(**{field.name: value})


def signed_in(user: User, *, with_key: bool) -> Client:
    """Their browser, or their program with a key."""
    if with_key:
        _, key = AuthToken.objects.create(user, expiry=timedelta(hours=1))
        return Client(headers={"Authorization": f"Token {key}"})
    client = Client()
    client.force_login(user)
    return client


def all_permissions_but(*codenames: str) -> list[Permission]:
    """Everything in the app `jobs` except those."""
    return list(Permission.objects.filter(content_type__app_label="jobs").exclude(codename__in=codenames))
