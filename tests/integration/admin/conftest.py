"""The people, storage and jobs of the API's tests, and a browser in which somebody is signed in."""

import pytest
from django.test import Client

from tests.integration.api.conftest import make_job, make_user, storage, web_process

__all__ = ["make_job", "make_user", "storage", "web_process"]

EVERYTHING = (
    *("add_job", "view_job", "change_job", "delete_job", "pause_job", "kill_job", "run_job", "view_all_jobs"),
    *("view_task", "view_scan", "view_jobevent", "view_slave"),
    *("add_task", "change_task", "delete_task", "change_scan", "delete_scan", "delete_jobevent", "delete_slave"),
)


@pytest.fixture
def user(make_user):
    """A member of staff with every permission of the app, the ones to delete included."""
    return make_user(*EVERYTHING, is_staff=True)


@pytest.fixture
def browser_of():
    def make(user) -> Client:
        browser = Client()
        browser.force_login(user)
        return browser

    return make


@pytest.fixture
def browser(user, browser_of) -> Client:
    return browser_of(user)
