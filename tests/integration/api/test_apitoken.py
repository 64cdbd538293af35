"""manage.py apitoken USER."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from knox.models import AuthToken
from rest_framework.test import APIClient


def test_apitoken_prints_a_key_that_works_and_keeps_only_its_hash(user, capsys):
    call_command("apitoken", user.username, "--days", "2")
    key = capsys.readouterr().out.removesuffix("\n")
    assert key.isalnum()
    assert APIClient().get("/api/jobs", HTTP_AUTHORIZATION=f"Token {key}").status_code == 200
    token = AuthToken.objects.get()
    assert key not in str(vars(token))
    assert timedelta(days=1) < token.expiry - token.created <= timedelta(days=2, seconds=1)


def test_apitoken_says_what_to_do_about_an_unknown_or_disabled_user(user):
    with pytest.raises(CommandError, match=r"no user 'nobody'.*createsuperuser"):
        call_command("apitoken", "nobody")
    with pytest.raises(CommandError, match="from 1 to 3650"):
        call_command("apitoken", user.username, "--days", "0")
    user.is_active = False
    user.save()
    with pytest.raises(CommandError, match="disabled"):
        call_command("apitoken", user.username)
    assert not AuthToken.objects.exists()
