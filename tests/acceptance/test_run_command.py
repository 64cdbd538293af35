"""`manage.py run`: everything on one machine, from one terminal, as the README tells."""

import re
import signal
import socket
import time
from contextlib import closing

import pytest

from tests.acceptance.processes import eventually
from tests.acceptance.product import Api
from tests.servers.processes import free_ports
from tests.support import stack

pytestmark = pytest.mark.skipif(stack.is_postgres(), reason="the embedded default is what it is for")
GREETING_SECONDS = 60
STOP_SECONDS = 20


@pytest.fixture
def running(product):
    """`manage.py run` that has greeted, and a client with the token it printed."""
    port = free_ports(1)[0]
    process = product.processes.manage("run", "--port", str(port), environment=product.environment)
    found = eventually(lambda: re.search(r"API token\s+(\w{40,})", process.out), GREETING_SECONDS, "the greeting")
    return process, port, Api(process, f"http://127.0.0.1:{port}", found[1])


def test_it_greets_with_a_login_and_a_token_that_creates_a_job_which_finishes(product, running):
    process, port, api = running
    assert f"http://127.0.0.1:{port}" in process.out and re.search(r"admin login\s+admin / \S+", process.out)
    (product.base / "in").mkdir()
    (product.base / "in" / "file").write_text("hello")
    product.create_job("in", "out")
    eventually(lambda: (product.base / "out" / "file").exists(), 30, "the file to be copied")
    assert api.is_up()


def test_a_second_one_is_refused_idle_connections_keep_nobody_waiting_and_ctrl_c_ends_everything(product, running):
    process, port, api = running
    second = product.processes.manage("run", "--port", str(free_ports(1)[0]), environment=product.environment)
    eventually(lambda: second.code is not None, GREETING_SECONDS, "the second one to end")
    assert second.code == 1 and "runs here already" in second.err

    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    begun = time.monotonic()
    assert api.is_up() and time.monotonic() - begun < 5
    assert process.stop(signal.SIGINT, seconds=STOP_SECONDS) == 0
    for connection in idle:
        with closing(connection):
            pass
