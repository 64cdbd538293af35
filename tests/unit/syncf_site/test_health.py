"""/health: what is said to anybody who asks, with each dependency really gone."""

import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from syncf_site import health
from tests.support import stack

pytestmark = pytest.mark.django_db
SECRET = "very-secret"


@pytest.fixture(autouse=True)
def forgetful():
    """What one test found out about migrations is not true for the next."""
    health._require_migrations.cache_clear()


def ask(path="/health"):
    response = Client().get(path)
    return response.status_code, json.loads(response.content)


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_health_is_open_and_ok_when_everything_is_there(path):
    assert ask(path) == (200, {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "broker": "ok"}})


def test_health_is_never_cached_and_only_read():
    response = Client().get("/health")
    assert "no-store" in response["Cache-Control"]
    assert Client().post("/health").status_code == 405


def test_without_the_broker_the_installation_is_degraded_and_no_secret_is_told(settings, caplog):
    settings.BROKER_URL = f"amqp://user:{SECRET}@127.0.0.1:1/vhost"
    status, answer = ask()
    assert (status, answer["status"], answer["checks"]["broker"]) == (200, "degraded", "down")
    assert SECRET not in json.dumps(answer) + caplog.text
    assert "health: broker is down" in caplog.text


def test_a_broker_url_that_makes_no_sense_is_degraded_too(settings):
    settings.BROKER_URL = "carrier-pigeon://"
    assert ask()[1]["status"] == "degraded"


def test_missing_migrations_are_down(transactional_db):
    call_command("migrate", "knox", "zero", verbosity=0)
    try:
        status, answer = ask()
        assert (status, answer["status"], answer["checks"]["migrations"]) == (503, "down", "down")
    finally:
        call_command("migrate", "knox", verbosity=0)
    assert ask()[0] == 200


def test_without_the_database_the_installation_is_down(tmp_path, transactional_db):
    name, unreachable = ("PORT", 1) if stack.is_postgres() else ("NAME", str(tmp_path))
    reachable = connection.settings_dict[name]
    connection.close()
    connection.settings_dict[name] = unreachable
    try:
        status, answer = ask()
    finally:
        connection.close()
        connection.settings_dict[name] = reachable
    assert (status, answer["status"], answer["checks"]["database"]) == (503, "down", "down")
