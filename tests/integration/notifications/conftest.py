"""A web server and a mail server on this machine that do what a test wants, and jobs to be told of."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from django.contrib.auth.models import User

from jobs.models import Job
from tests.unit.jobs import builders

SECRET = "whsec_" + base64.b64encode(b"only for tests, 32 bytes of key!").decode()


class Receiver:
    """A web server: remembers every request and answers each as `answers` says, with 200 when it is empty."""

    def __init__(self) -> None:
        self.requests, self.answers, self.let_go = [], [], threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers.items()), body))
                receiver.answer(self)

            do_GET = do_POST

            def log_message(self, *arguments) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, handler) -> None:
        wanted = self.answers.pop(0) if self.answers else 200
        if callable(wanted):
            wanted(handler)
            return
        status, *headers = wanted if isinstance(wanted, tuple) else (wanted,)
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver(settings):
    found = Receiver()
    settings.WEBHOOK_SECRET, settings.WEBHOOK_ORIGINS = SECRET, [found.origin]
    settings.WEBHOOKS = [f"{found.origin}/hidden-token"]
    yield found
    found.close()


class Mailbox:
    """What a mail server took in. `refusal` is said instead of taking it."""

    def __init__(self) -> None:
        self.letters, self.refusal = [], ""

    async def handle_DATA(self, server, session, envelope) -> str:
        if self.refusal:
            return self.refusal
        self.letters.append(envelope)
        return "250 OK"


class AnyPort(Controller):
    """On whatever port is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox(settings):
    found = Mailbox()
    controller = AnyPort(found, hostname="127.0.0.1", port=0)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.EMAIL_TIMEOUT = 5
    settings.SENDS_EMAIL, settings.NOTIFY_EMAILS = True, ["admin@example.org"]
    settings.DEFAULT_FROM_EMAIL = "SyncF <syncf@example.org>"
    yield found
    controller.stop()


@pytest.fixture
def job(db) -> Job:
    owner = User.objects.create_user("ann", email="ann@example.org")
    return builders.new_job(name="photos", owner=owner)
