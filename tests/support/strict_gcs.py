"""gcp-storage-emulator with its faults put right, by Google's documentation of the JSON API.

The emulator keeps the objects; in front of it stands this server, which does what the emulator leaves out: conditions
on generation and metageneration (412, at the start and at the end of an upload), sessions that keep multiples of
256 KiB, answer after their end and can be cancelled (499), digests that are compared, metadata that is merged, pages,
`fields`. A test may have it count what clients send, keep less of a part than was sent, alter bytes, lose answers.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

from tests.support.cut_server import CutServer

QUANTUM = 256 << 10
CONDITIONS = ("generation", "ifGenerationMatch", "ifMetagenerationMatch")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def problem(cls, status: int, message: str, reason: str = "invalid") -> Answer:
        error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
        return cls(status, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode())

    @classmethod
    def of(cls, resource: dict) -> Answer:
        return cls(200, {"Content-Type": "application/json"}, json.dumps(resource).encode())


@dataclass
class Session:
    bucket: str
    name: str
    size: int
    conditions: dict[str, str]
    held: int = 0
    crc32c: int = 0
    end: Answer | None = None
    """Of a finished or a cancelled one."""


@dataclass
class StrictGcs:
    """A context manager; `url` is its endpoint."""

    emulator: str
    page_items: int = 3
    keeps: Callable[[int], int] = field(default=lambda count: count)
    """How much of a part, whose length is given, a session keeps."""
    loses_answer: Callable[[str, int], bool] = field(default=lambda method, status: False)
    """True: the connection is closed instead of an answer."""
    answers: Callable[[str, str], Answer | None] = field(default=lambda method, target: None)
    """An answer instead of the true one, before anything happens."""
    alters: Callable[[bytes], bytes] = field(default=lambda body: body)
    """What becomes of a body on its way."""
    cuts: Callable[[int], bool] = field(default=lambda total: False)
    """Told how many bytes have come so far. True: nothing more is taken of this body, as if its sender had died."""
    received_bytes: int = 0
    """Of bodies, from all clients."""
    requests: list[str] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> StrictGcs:
        self._server = CutServer(("127.0.0.1", 0), type("_Handler", (_Handler,), {"strict": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Idempotent, and does not wait for clients that keep their connections."""
        self._server.shutdown()
        self._server.cut()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self._server.server_address)

    def received(self, count: int) -> bool:
        """Whether more may come."""
        with self.lock:
            self.received_bytes += count
            total = self.received_bytes
        return not self.cuts(total)

    # ── what the emulator is asked ────────────────────────────────────────────────────────────────────────────

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.emulator).netloc, timeout=20)
        try:
            connection.request(method, target, body, {**headers, "Content-Length": str(len(body))})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def resource(self, bucket: str, name: str) -> dict | None:
        """What stands there now."""
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        answer = self.forward("GET", f"/storage/v1/b/{bucket}/o/{quoted}", {})
        return json.loads(answer.body) if answer.status == 200 else None

    def has_bucket(self, bucket: str) -> bool:
        return self.forward("GET", f"/storage/v1/b/{bucket}", {}).status == 200

    # ── what the emulator leaves out ──────────────────────────────────────────────────────────────────────────

    def refusal(self, bucket: str, name: str, conditions: dict[str, str], *, is_write: bool = False) -> Answer | None:
        found = self.resource(bucket, name)
        there = {"generation": "0", "metageneration": "0"} if found is None else found
        if "ifGenerationMatch" in conditions and conditions["ifGenerationMatch"] != there["generation"]:
            if found is None and not is_write:
                return self.missing(bucket, name)
            return Answer.problem(
                412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet"
            )
        if "ifMetagenerationMatch" in conditions and conditions["ifMetagenerationMatch"] != there["metageneration"]:
            return Answer.problem(
                412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet"
            )
        if conditions.get("generation", there["generation"]) != there["generation"]:
            return self.missing(bucket, name)
        return None

    def missing(self, bucket: str, name: str = "") -> Answer:
        if not self.has_bucket(bucket):
            return Answer.problem(404, "The specified bucket does not exist.", "notFound")
        return Answer.problem(404, f"No such object: {bucket}/{name}", "notFound")


class _Handler(BaseHTTPRequestHandler):
    strict: StrictGcs
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        strict = self.strict
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body, is_whole = self._body(int(self.headers.get("Content-Length") or 0))
        if not is_whole and "upload_id" not in query:
            self.close_connection = True
            return
        with strict.lock:
            strict.requests.append(f"{self.command} {self.path}")
            answer = strict.answers(self.command, self.path)
            answer = answer or self._answer(url.path, query, strict.alters(body))
            if answer.status == 404 and not answer.body:
                answer = strict.missing(*self._object(url.path))
        if not is_whole or strict.loses_answer(self.command, answer.status):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._reply(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def log_message(self, *args: object) -> None:
        pass

    def _body(self, length: int) -> tuple[bytes, bool]:
        """What arrived, and whether that is all."""
        chunks, left = [], length
        with suppress(OSError):
            while left and (chunk := self.rfile.read1(min(left, 1 << 16))):
                chunks.append(chunk)
                left -= len(chunk)
                if not self.strict.received(len(chunk)):
                    break
        return b"".join(chunks), not left

    def _reply(self, answer: Answer) -> None:
        with suppress(OSError):
            self.send_response_only(answer.status, http.client.responses.get(answer.status, "Other"))
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _PER_CONNECTION}
            for name, value in {**kept, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

    def _object(self, path: str) -> tuple[str, str]:
        match = re.search(r"/b/([^/]+)(?:/o(?:/(.*))?)?$", path)
        return (match[1], unquote(match[2] or "")) if match else ("", "")

    def _answer(self, path: str, query: dict[str, str], body: bytes) -> Answer:
        if "upload_id" in query:
            return self._session(query["upload_id"], body)
        bucket, name = self._object(path)
        if query.get("uploadType") in ("multipart", "resumable"):
            return self._begin_writing(bucket, query, body)
        conditions = {each: query[each] for each in CONDITIONS if each in query}
        if name and (refusal := self.strict.refusal(bucket, name, conditions)):
            return refusal
        if self.command == "PATCH" and name:
            body = self._merged(bucket, name, json.loads(body))
        answer = self.strict.forward(self.command, self.path, dict(self.headers), body)
        if query.get("alt") == "media" and answer.status in (200, 206):
            about = self.strict.resource(bucket, name) or {}
            answer.headers["x-goog-generation"] = about["generation"]
            answer.headers.update({"Content-Encoding": about["contentEncoding"]} if "contentEncoding" in about else {})
        is_list = self.command == "GET" and path.endswith("/o") and answer.status == 200
        return self._page(json.loads(answer.body), query) if is_list else answer

    def _begin_writing(self, bucket: str, query: dict[str, str], body: bytes) -> Answer:
        is_multipart = query["uploadType"] == "multipart"
        about = json.loads(body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0] if is_multipart else body)
        conditions = {each: query[each] for each in CONDITIONS if each in query}
        if not self.strict.has_bucket(bucket):
            return self.strict.missing(bucket)
        if refusal := self.strict.refusal(bucket, about["name"], conditions, is_write=True):
            return refusal
        answer = self.strict.forward("POST", self.path, dict(self.headers), body)
        if not is_multipart and answer.status == 200:
            upload_id = parse_qs(urlsplit(answer.headers["Location"]).query)["upload_id"][0]
            size = int(self.headers["X-Upload-Content-Length"])
            self.strict.sessions[upload_id] = Session(bucket, about["name"], size, conditions)
        return answer

    def _merged(self, bucket: str, name: str, changes: dict) -> bytes:
        kept = (self.strict.resource(bucket, name) or {}).get("metadata") or {}
        merged = {**kept, **changes.get("metadata", {})}
        return json.dumps({**changes, "metadata": {k: v for k, v in merged.items() if v is not None}}).encode()

    def _page(self, listing: dict, query: dict[str, str]) -> Answer:
        start = int(query.get("pageToken") or 0)
        count = min(self.strict.page_items, int(query.get("maxResults") or 1000))
        wanted = re.search(r"items\(([\w,]+)\)", query.get("fields", ""))
        names = wanted[1].split(",") if wanted else None
        items = [
            {name: value for name, value in item.items() if names is None or name in names}
            for item in listing.get("items", [])[start : start + count]
        ]
        more = {"nextPageToken": str(start + count)} if len(listing.get("items", [])) > start + count else {}
        return Answer.of({"kind": "storage#objects", "items": items, **more})

    # ── resumable uploads ─────────────────────────────────────────────────────────────────────────────────────

    def _session(self, upload_id: str, body: bytes) -> Answer:
        session = self.strict.sessions.get(upload_id)
        if session is None:
            return Answer.problem(404, "No such upload session.", "notFound")
        if self.command == "DELETE":
            session.end = session.end or Answer(499, {}, b"")
            return Answer(499, {}, b"")
        asked = re.fullmatch(r"bytes (?:\*|(\d+)-(\d+))/(\d+)", self.headers.get("Content-Range", ""))
        if session.end is not None:
            return session.end
        if asked is None or int(asked[3]) != session.size:
            return Answer.problem(400, "Invalid Content-Range.")
        if asked[1] is None:
            return self._incomplete(session)
        return self._chunk(session, int(asked[1]), int(asked[2]), body)

    def _incomplete(self, session: Session) -> Answer:
        return Answer(308, {"Range": f"bytes=0-{session.held - 1}"} if session.held else {}, b"")

    def _chunk(self, session: Session, first: int, last: int, body: bytes) -> Answer:
        is_last = last + 1 == session.size
        if first > session.held or (not is_last and (last + 1 - first) % QUANTUM):
            return Answer.problem(400, "Invalid request: chunks follow each other and are multiples of 256 KiB.")
        data = body[session.held - first :][: self.strict.keeps(last + 1 - session.held)]
        ends = session.held + len(data) == session.size
        if not ends:
            data = data[: len(data) // QUANTUM * QUANTUM]
        elif refusal := self._refused_end(session, data):
            return refusal
        if not data:
            return self._incomplete(session)
        answer = self.strict.forward(
            "PUT",
            self.path,
            {"Content-Range": f"bytes {session.held}-{session.held + len(data) - 1}/{session.size}"},
            data,
        )
        session.held += len(data)
        session.crc32c = google_crc32c.extend(session.crc32c, data)
        if not ends:
            return self._incomplete(session)
        session.end = answer
        return answer

    def _refused_end(self, session: Session, data: bytes) -> Answer | None:
        crc32c = google_crc32c.extend(session.crc32c, data).to_bytes(4, "big")
        calculated = base64.b64encode(crc32c).decode()
        given = self.headers.get("x-goog-hash", f"crc32c={calculated}").removeprefix("crc32c=")
        if given != calculated:
            text = f'Provided CRC32C "{given}" doesn\'t match calculated CRC32C "{calculated}".'
            session.end = Answer.problem(400, text)
            return session.end
        refusal = self.strict.refusal(session.bucket, session.name, session.conditions, is_write=True)
        session.end = refusal
        return refusal


_PER_CONNECTION = {"content-length", "transfer-encoding", "connection", "server", "date"}
