"""People, their keys, and a storage with something in it."""

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from knox.models import AuthToken
from rest_framework.test import APIClient

from jobs.api import throttling
from jobs.models import Job

VERBS = ("add_job", "view_job", "change_job", "pause_job", "kill_job", "run_job", "view_slave")


@pytest.fixture(autouse=True)
def web_process(monkeypatch):
    """A web process of the test's own: who asked too much in others is not remembered."""
    monkeypatch.setattr(throttling, "_ration", throttling.Ration())


@pytest.fixture
def storage(tmp_path, settings) -> Path:
    """The root of the storage `local`: /in holds a file, /out nothing."""
    root = tmp_path / "storage"
    (root / "in").mkdir(parents=True)
    (root / "in" / "a.txt").write_text("hello")
    settings.STORAGES_CONFIGURED = {"local": root.as_uri()}
    return root


@pytest.fixture
def make_user(db):
    """A new user who holds exactly these permissions of the app `jobs`."""
    numbers = itertools.count(1)

    def make(*codenames: str, **fields) -> User:
        user = User.objects.create_user(f"user{next(numbers)}", password="secret", **fields)
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="jobs", codename__in=codenames))
        return user

    return make


@pytest.fixture
def user(make_user) -> User:
    return make_user(*VERBS)


@pytest.fixture
def client_of():
    """An API client that sends a key of that user."""

    def make(user: User) -> APIClient:
        client = APIClient()
        _, key = AuthToken.objects.create(user, expiry=timedelta(hours=1))
        client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
        return client

    return make


@pytest.fixture
def api(user, client_of) -> APIClient:
    """The client of somebody who may do everything with his own jobs."""
    return client_of(user)


@pytest.fixture
def make_job(user):
    """A job in the database, without its directories."""
    numbers = itertools.count(1)

    def make(**fields) -> Job:
        number = next(numbers)
        values = {"source_type": "local", "source_path": "/in", "sink_type": "local", "sink_path": f"/out{number}"}
        job = Job.objects.create(**{**values, "owner": user, **fields})
        job.refresh_from_db()
        return job

    return make


@pytest.fixture
def job(make_job) -> Job:
    return make_job()
