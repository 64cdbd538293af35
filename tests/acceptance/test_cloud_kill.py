"""kill -9 of a whole sync in the middle of a part, and between the server's commit and our row: the next one sends no
finished part again, counted at a proxy."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from storage_backends.registry import open_storage
from tests.acceptance import clouds
from tests.acceptance.processes import ROOT
from tests.support.counting_proxy import CountingProxy

MIB = 1 << 20
SIZE, KILLED_AT = 96 * MIB + 12_345, 70 * MIB
COMMITTED = 20 * MIB + 12_345
LOST = {"s3": 4 * 8 * MIB, "azure": 4 * 8 * MIB, "gcs": 16 * MIB, "sftp": 64 * MIB}
"""What was under way and not a finished part: parts in flight; over SFTP, what no checkpoint covers."""
PROTOCOL = 1.05


@pytest.fixture
def places(tmp_path):
    with clouds.storages(tmp_path) as variables:
        yield variables


@pytest.fixture
def proxy_of(places):
    """Puts a proxy in front of one storage."""
    proxies = []

    def proxy_of(kind):
        name = f"STORAGE_{kind.upper()}"
        url = places[name]
        port = re.search(r"127\.0\.0\.1(?::|%3A)(\d+)", url)[1]
        proxies.append(CountingProxy(int(port)).__enter__())
        places[name] = url.replace(port, str(proxies[-1].port), 1)
        if kind == "sftp":
            places[name] = with_known_host(places[name], port, proxies[-1].port)
        return proxies[-1]

    yield proxy_of
    for proxy in proxies:
        proxy.__exit__()


def with_known_host(url, port, other):
    """The host key of the server, under the proxy's port."""
    known = Path(unquote(re.search(r"known_hosts=([^&]*)", url)[1]))
    copy = known.with_name(f"{known.name}-{other}")
    copy.write_text(known.read_text().replace(f":{port}", f":{other}"))
    return url.replace(quote(str(known)), quote(str(copy)))


@pytest.fixture
def start(product, places):
    """Starts a sync of a file of so many bytes, the same each time, to a storage."""

    def start(kind, size):
        big = product.base / "source/big"
        if not big.exists():
            big.parent.mkdir()
            big.write_bytes(random.Random(kind).randbytes(size))
        places_named = [str(product.base / "source"), f"{kind}:sink"]
        arguments = [sys.executable, str(ROOT / "manage.py"), "sync", "--json", *places_named]
        environment = {**product.environment, **places}
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, start_new_session=True)

    return start


def kill(proxy, doomed):
    """As soon as something is held back at the proxy; returns how many bytes were sent until then."""
    assert proxy.holds.wait(60)
    os.killpg(doomed.pid, signal.SIGKILL)
    workers_are_gone(doomed)
    proxy.release()
    return proxy.sent_bytes


@pytest.mark.parametrize("kind", LOST)
def test_after_kill_minus_9_no_finished_part_is_sent_again(start, places, proxy_of, kind, monkeypatch):
    proxy = proxy_of(kind)
    proxy.hold_from = KILLED_AT
    with start(kind, SIZE) as doomed:
        before = kill(proxy, doomed)
    with start(kind, SIZE) as successor:
        report, _ = successor.communicate(timeout=120)
    assert successor.returncode == 0, report
    assert proxy.sent_bytes - before <= (SIZE - KILLED_AT + LOST[kind]) * PROTOCOL
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    assert clouds.contents(places[f"STORAGE_{kind.upper()}"], "sink") == {b"big": random.Random(kind).randbytes(SIZE)}


@pytest.mark.parametrize("kind", LOST)
def test_after_kill_minus_9_between_commit_and_row_nothing_is_sent_again(start, places, proxy_of, kind, monkeypatch):
    """No answer comes through from the moment on when the file stands at the server."""
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    with closing(open_storage(places[f"STORAGE_{kind.upper()}"])) as server:
        proxy = proxy_of(kind)
        proxy.keeps_answers = lambda: server.file_exists(b"sink/big")
        with start(kind, COMMITTED) as doomed:
            before = kill(proxy, doomed)
        committed = server.get_file_info(b"sink/big")
        with start(kind, COMMITTED) as successor:
            report, _ = successor.communicate(timeout=120)
        assert successor.returncode == 0, report
        told = json.loads(report.splitlines()[-1])
        assert (told["copied"], told["bytes_copied"], told["bytes_resumed"]) == (1, 0, COMMITTED)
        assert proxy.sent_bytes - before < MIB
        assert server.get_file_info(b"sink/big") == committed


def workers_are_gone(process):
    """They end with their parent."""
    process.wait()
    process.stdout.read()
