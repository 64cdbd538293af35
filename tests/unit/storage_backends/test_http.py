"""Our own HTTP: it understands plain answers, and takes nothing for an answer that is not whole."""

import datetime
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from storage_backends.objects.http import BUNDLES, Answer, Ask, Http, pool

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: 1\r\nx-a: 2\r\n\r\ndata"


class Server:
    """Gives one answer after the other, whatever is asked; `close` in between ends a connection."""

    def __init__(self, *answers, context=None):
        self.answers, self.context = list(answers), context
        self.asked, self.connections = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.answers:
            try:
                connection, _ = self.listener.accept()
                with self.context.wrap_socket(connection, server_side=True) if self.context else connection as talking:
                    self.connections += 1
                    self.talk(talking)
            except OSError:
                continue

    def talk(self, talking):
        while self.answers:
            asked = b""
            while b"\r\n\r\n" not in asked:
                piece = talking.recv(65536)
                if not piece:
                    return
                asked += piece
            self.asked.append(asked)
            talking.sendall(self.answers.pop(0))
            if self.answers and self.answers[0] is None:
                self.answers.pop(0)
                return

    def close(self):
        self.answers.clear()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join(5)
        self.listener.close()


@pytest.fixture
def answering():
    made = []

    def make(*answers, scheme="http", context=None):
        server = Server(*answers, context=context)
        http = Http(f"{scheme}://127.0.0.1:{server.port}", 4)
        made.extend([http, server])
        return http, server, f"{scheme}://127.0.0.1:{server.port}/f"

    yield make
    for each in made:
        each.close()


def test_an_answer_comes_whole_and_the_connection_is_used_again(answering):
    http, server, url = answering(FINE, FINE)
    for _ in range(2):
        assert http.request("GET", url, {"X-B": "c"}) == Answer(200, {"content-length": "4", "x-a": "1, 2"}, b"data")
    assert server.connections == 1
    assert server.asked[0].startswith(b"GET /f HTTP/1.1\r\n") and b"\r\nx-b: c\r\n" in server.asked[0]


def test_no_more_of_an_answer_is_read_than_is_wanted(answering):
    http, server, url = answering(FINE, FINE, FINE)
    assert http.answer(Ask("GET", url, {}, most_bytes=4)).data == b"data"
    assert http.answer(Ask("GET", url, {}, most_bytes=3)) is None
    assert not http._idle, "what was not read would be taken for the next answer"
    assert http.answer(Ask("GET", url, {})).data == b"data" and server.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(answering):
    http, server, url = answering(FINE, None, FINE)
    assert http.request("GET", url, {}).data == b"data"
    while not http._idle[0].was_dropped():
        pass
    assert http.request("GET", url, {}).data == b"data"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("method", "told", "data"),
    [
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nda\r\n2\r\nta\r\n0\r\nT: 1\r\n\r\n",
            b"data",
        ),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ndata", b"data"),
        ("GET", b"HTTP/1.1 404 Not here\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", b"no"),
        ("GET", b"HTTP/1.1 204\r\n\r\n", b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b""),
    ],
)
def test_what_services_answer_is_understood(answering, method, told, data):
    http, _, url = answering(told, None)
    assert http.request(method, url, {}).data == data


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndat",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
        b"HTTP/1.1 200 OK\r\n\r\ndata",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1" + 15 * b"0" + b"\r\n\r\ndata",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1" + 5000 * b"0" + b"\r\n\r\ndata",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + 5000 * b"f" + b"\r\ndata",
        b"HTTP/1.1 2" + 5000 * b"0" + b" OK\r\nContent-Length: 4\r\n\r\ndata",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nda",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-4\r\ndata\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_not_whole_or_odd_is_no_answer(answering, told):
    http, _, url = answering(told, None)
    assert http.request("GET", url, {}) is None


@pytest.mark.parametrize("headers", [{"a": "b\r\nhost: elsewhere"}, {"a": "ä"}, {"a\n": "b"}])
def test_no_value_becomes_a_header_of_its_own(answering, headers):
    http, server, url = answering(FINE)
    assert http.request("GET", url, headers) is None
    assert server.asked == []


def test_another_host_is_not_asked(answering):
    http, server, _ = answering(FINE)
    assert http.request("GET", "http://127.0.0.1:1/f", {}) is None
    assert server.asked == []


def test_nobody_there_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert Http(f"http://127.0.0.1:{port}", 1).request("GET", f"http://127.0.0.1:{port}/f", {}) is None


@pytest.mark.parametrize(
    ("told", "is_all"),
    [
        (b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 4-7/20\r\n\r\ndata", True),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/20\r\n\r\ndata", False),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\n\r\ndata", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndata", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Range: bytes 4-7/20\r\n\r\ndata", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/20\r\n\r\ndata", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndatadatad", False),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 4-7/20\r\n\r\ndat", False),
        (b"HTTP/1.1 412 Changed\r\nContent-Length: 4\r\n\r\ndata", False),
    ],
)
@pytest.mark.parametrize("header", ["Range", "x-ms-range"])
def test_a_range_fills_the_buffer_or_is_none(answering, told, is_all, header):
    http, _, url = answering(told, None)
    buffer = bytearray(4)
    assert http.fetch_into(url, {header: "bytes=4-7"}, memoryview(buffer)) is is_all
    assert not is_all or buffer == b"data"


@pytest.mark.parametrize("header", ["Range", "x-ms-range"])
def test_a_range_that_is_the_whole_object_may_come_as_such(answering, header):
    http, _, url = answering(FINE, None)
    buffer = bytearray(4)
    assert http.fetch_into(url, {header: "bytes=0-3"}, memoryview(buffer)) and buffer == b"data"


@pytest.fixture
def certificate(tmp_path):
    """A file with one for 127.0.0.1 that nobody else vouches for, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "us")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    signed = made.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "pem"
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("is_known", [True, False])
def test_only_a_server_that_proves_its_name_is_asked(answering, certificate, monkeypatch, is_known):
    if is_known:
        monkeypatch.setattr("certifi.where", lambda: str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    http, server, url = answering(FINE, scheme="https", context=context)
    assert (http.request("GET", url, {}) is not None) is is_known
    assert len(server.asked) == is_known


def test_what_tls_says_by_itself_ends_no_connection(answering, certificate, monkeypatch):
    monkeypatch.setattr("certifi.where", lambda: str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    http, server, url = answering(FINE, scheme="https", context=context)
    with ThreadPoolExecutor(1) as threads:
        http.open_many(1, threads)
    while not server.connections:  # by then its tickets for later sessions were sent
        time.sleep(0.01)
    assert http.request("GET", url, {}).data == b"data"
    assert server.connections == 1


@pytest.mark.parametrize(("name", "value"), [("https_proxy", "http://127.0.0.1:1"), ("REQUESTS_CA_BUNDLE", "/ours")])
def test_proxies_and_authorities_of_the_operators_own_are_left_to_the_sdk(monkeypatch, name, value):
    for each in ("https_proxy", "HTTPS_PROXY", *BUNDLES):
        monkeypatch.delenv(each, raising=False)
    assert pool("https://example.org", 1) is not None
    monkeypatch.setenv(name, value)
    assert pool("https://example.org", 1) is None


@pytest.mark.parametrize("told", ["once more", "the start of one", "for good"])
def test_an_answer_that_comes_twice_is_not_taken_for_that_to_the_next_request(answering, told):
    """It is here with the first one already, where nobody who asks the socket finds it."""
    more = {"once more": FINE, "the start of one": FINE[:9], "for good": FINE * 3}[told]
    http, server, url = answering(FINE + more, FINE.replace(b"data", b"true"))
    assert http.request("GET", url, {}).data == b"data"
    assert http.request("GET", url, {}).data == b"true"
    assert server.connections == 2


def test_a_range_that_comes_twice_is_not_taken_for_the_next_one(answering):
    http, _, url = answering(FINE + FINE, FINE.replace(b"data", b"true"))
    found = bytearray(8)
    for begun in (0, 4):
        assert http.fetch_into(url, {}, memoryview(found)[begun : begun + 4])
    assert bytes(found) == b"datatrue"
