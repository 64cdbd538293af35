"""What must stay secret, planted everywhere it can be configured, and looked for everywhere something is told."""

import io
import json
import logging
import re
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from jobs.errors import Refusal
from jobs.storages import Root, root_of
from storage_backends.errors import StorageError
from storage_backends.logs import OneLine
from storage_backends.registry import open_storage
from storage_backends.sftp.connecting import Address
from storage_backends.url import StorageUrl
from syncf_site import env
from tests.support.databases import product_environment
from transfers.broker.errors import BrokerError
from transfers.broker.registry import open_broker
from transfers.engine.contracts import Place

CANARY = "s3cr3t-canary"
SFTP = f"sftp://someone:{CANARY}@127.0.0.1:1/srv"
BROKER = f"amqp://someone:{CANARY}@127.0.0.1:1/"


def told(error: BaseException) -> str:
    """The error and everything it was raised from, as a traceback shows it."""
    import traceback

    return "".join(traceback.format_exception(error)) + repr(error)


def test_what_holds_a_secret_does_not_show_it():
    environment = env.read(
        {
            "SECRET_KEY": CANARY * 5,
            "DATABASE_URL": f"postgres://someone:{CANARY}@h/x",
            "BROKER_URL": BROKER,
            "STORAGE_X": SFTP,
        }
    )
    shown = [environment, Root("x", SFTP, b"y"), Place(SFTP, b"y"), StorageUrl.parse(SFTP)]
    shown.append(Address("h", 22, "someone", CANARY, None, None))
    for thing in shown:
        assert CANARY not in repr(thing) + str(thing) + f"{thing}" + "%s" % (thing,), type(thing)  # noqa: UP031


@pytest.mark.parametrize(
    "url", [SFTP, f"sftp://someone:{CANARY}@127.0.0.1:99999999/srv", f"sftp://someone:{CANARY}@h/x?{CANARY}",
            f"s3://b/p?secret={CANARY}&secret={CANARY}", f"{CANARY}", f"gs://b/p#{CANARY}"]
)  # fmt: skip
def test_a_storage_that_cannot_be_opened_does_not_tell_its_password(url):
    with pytest.raises(StorageError) as refused:
        open_storage(url).probe()
    assert CANARY not in re.sub(r'(?m)^  (?:File|  ).*\n', "", told(refused.value))


@pytest.mark.parametrize("url", [BROKER, f"amqp://someone:{CANARY}@[h/", f"amqp://h/?queue_type={'x'}", f"{CANARY}://"])
def test_a_broker_that_cannot_be_opened_does_not_tell_its_password(url):
    with pytest.raises(BrokerError) as refused, open_broker(url, queue_prefix="x") as broker:
        broker.probe()
    assert CANARY not in str(refused.value) or url.startswith(CANARY)


def test_an_unknown_storage_is_told_by_its_alias_alone(settings):
    settings.STORAGES_CONFIGURED = {"office": SFTP}
    with pytest.raises(Refusal) as refused:
        root_of("nothing", "/x", "source")
    assert "office" in refused.value.hint
    assert CANARY not in told(refused.value) + refused.value.hint


def test_a_page_of_a_server_error_hides_what_the_settings_hold(settings):
    settings.DEBUG, settings.BROKER_URL, settings.STORAGES_CONFIGURED = True, BROKER, {"x": SFTP}
    settings.SECRET_KEY = CANARY * 5
    request = RequestFactory().get("/", headers={"Authorization": f"Token {CANARY}"})
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        page = ExceptionReporter(request, *sys.exc_info()).get_traceback_html()
    assert "BROKER_URL" in page
    assert CANARY not in page


@pytest.mark.django_db
def test_logs_at_their_most_talkative_and_doctor_keep_them(settings, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    settings.BROKER_URL, settings.STORAGES_CONFIGURED = BROKER, {"office": SFTP}
    with pytest.raises(SystemExit):
        call_command("doctor")
    with pytest.raises(CommandError):
        call_command("runscheduler", "--once")
    assert Client().get("/health").status_code == 200
    output = capsys.readouterr()
    assert "127.0.0.1:1" in output.out
    assert CANARY not in output.out + output.err + caplog.text


def log_line(message, *arguments, error=None):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    record = logging.LogRecord("syncf", logging.WARNING, "f", 1, message, arguments, error)
    handler.emit(record)
    return stream.getvalue()


FORGED = "a\n2026-01-01 00:00:00,000 INFO jobs: all is well\r\x1b[2J\u2028\u202e\x85\x00"


def test_a_name_in_a_log_line_is_no_line_of_its_own_and_steers_no_terminal():
    line = log_line("can't read %s", FORGED)
    assert line.count("\n") == 1 and line.endswith("\n") and line[:-1].isprintable()
    assert r"a\n2026-01-01" in line and r"\x1B[2J" in line
    assert r"C:\x ü€" in log_line("C:\\x %s", "ü€")


def test_nor_in_a_traceback():
    try:
        raise ValueError(FORGED)
    except ValueError:
        text = log_line("it failed", error=sys.exc_info())
    first, *others = text.rstrip("\n").split("\n")
    assert "it failed" in first and others
    assert all(line.startswith("  | ") and line.isprintable() for line in others)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_product_logs_so(log_format):
    code = f"import logging; logging.getLogger('syncf').warning('file %s', {FORGED!r})"
    done = subprocess.run(
        [sys.executable, str(env.ROOT / "manage.py"), "shell", "--no-imports", "-c", code],
        env=product_environment(LOG_FORMAT=log_format), capture_output=True, text=True, check=True,
    )  # fmt: skip
    [line] = done.stderr.splitlines()
    assert line.isprintable() and "all is well" in line
    assert log_format == "text" or FORGED in json.loads(line)["message"]
