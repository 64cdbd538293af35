"""Several web processes count the same logins: asking all of them at once gets nobody further."""

import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.logins import OF_NAME_AT_ADDRESS
from tests.acceptance.processes import eventually
from tests.servers.processes import free_ports
from tests.support import stack

pytestmark = pytest.mark.skipif(stack.is_postgres(), reason="the embedded default has the harder task")


@pytest.fixture
def address(product):
    """gunicorn with three worker processes."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "gunicorn", "syncf_site.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "3"]
    command += ["--worker-class", "gthread", "--threads", "4", "--no-control-socket"]
    product.processes.start(command, product.environment)
    address = f"http://127.0.0.1:{port}/admin/login/"
    eventually(lambda: form_of(address), 30, "the login page")
    return address


def form_of(address):
    """Cookie and token of the login page; None while nobody answers."""
    try:
        with urllib.request.urlopen(address, timeout=10) as page:
            token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.read().decode())[1]
            return page.headers["Set-Cookie"].partition(";")[0], token
    except urllib.error.URLError:
        return None


def log_in(address):
    """The status of one wrong login."""
    cookie, token = form_of(address)
    form = {"csrfmiddlewaretoken": token, "username": "admin", "password": "wrong"}
    request = urllib.request.Request(address, urllib.parse.urlencode(form).encode(), {"Cookie": cookie})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_twelve_at_once_get_five_tries_between_them(address):
    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(log_in, [address] * 12))
    assert (codes.count(200), codes.count(429)) == (OF_NAME_AT_ADDRESS.most, 12 - OF_NAME_AT_ADDRESS.most)
