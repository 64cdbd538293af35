"""The site around the API: its front doors, and what a response carries."""

import json
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from syncf_site import env
from tests.support.databases import product_environment

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/", "/admin"])
def test_the_front_door_leads_to_the_admin_and_that_to_its_login(path):
    response = Client().get(path, follow=True)
    assert response.redirect_chain[0][0] == reverse("admin:index")
    assert response.redirect_chain[-1][0].startswith(reverse("admin:login"))
    assert response.status_code == 200


def test_pages_can_neither_be_framed_nor_sniffed():
    response = Client().get(reverse("admin:login"))
    assert (response["X-Frame-Options"], response["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert response.cookies["csrftoken"]["samesite"] == "Lax"


def test_plain_http_works_on_this_machine():
    assert not settings.SECURE_SSL_REDIRECT
    assert "Strict-Transport-Security" not in Client().get("/health")


def manage(*arguments, **variables):
    command = [sys.executable, str(env.ROOT / "manage.py"), *arguments]
    environment = product_environment(**variables)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_shipped_settings_pass_the_deployment_check_once_other_machines_may_come():
    result = manage(
        "check", "--deploy", "--fail-level=WARNING", ALLOWED_HOSTS="sync.example.org", SECRET_KEY="aB3-xYz9" * 8
    )
    assert result.returncode == 0, result.stderr


def test_without_a_key_nothing_starts_and_the_operator_reads_how_to_make_one():
    result = manage("check", SECRET_KEY="")
    assert result.returncode != 0
    assert env.NEW_KEY_COMMAND in result.stderr


def test_json_logs_are_one_object_per_line_on_standard_error():
    code = f"import logging; logging.getLogger('syncf').warning('file %s', {chr(10)!r}); print('out')"
    result = manage("shell", "--no-imports", "-c", code, LOG_FORMAT="json")
    (line,) = result.stderr.splitlines()
    assert json.loads(line).items() >= {"level": "WARNING", "logger": "syncf", "message": "file \n"}.items()
    assert result.stdout == "out\n"
