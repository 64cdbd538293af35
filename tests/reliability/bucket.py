"""A bucket behind a proxy that knows which parts were sent, and at which something can be done to their sender at any
moment of an upload."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers import buckets
from tests.servers.ensure import Kind, ensure
from tests.support.http_proxy import PER_CONNECTION, Answer, Asked, HttpProxy

KINDS = {("POST", "uploads"): "create", ("PUT", "partNumber"): "part", ("POST", "uploadId"): "complete"}
WHOLE = {"PUT": "put", "GET": "read"}


class Moment(NamedTuple):
    """In the life of an upload."""

    what: str
    """create, part, complete, read (back), or put (whole)."""
    number: int
    """The how-manieth of these."""
    when: str
    """before: the server has nothing of the request; half: of its body; after: its answer is here, and gets lost."""

    def __str__(self) -> str:
        return f"{self.when} {self.what} {self.number}"


class Part(NamedTuple):
    """One request that sent one."""

    upload: str
    number: int


class Bucket:
    """`strike` is called once, at the moment that `arm` named, on a thread of the proxy's."""

    def __init__(self, url: str, proxy: HttpProxy, api: Any) -> None:
        self.name, self._api, self._proxy = urlsplit(url).netloc, api, proxy
        self.url = re.sub(r"(127\.0\.0\.1(?::|%3A))\d+", rf"\g<1>{proxy.port}", url)
        self._lock = threading.Lock()
        self.arm("", Moment("", 0, ""), lambda: None)
        proxy.answers, proxy.loses = self._begun, self._answered

    def arm(self, key: str, moment: Moment, strike: Callable[[], object]) -> None:
        """Nothing was sent of `key` yet."""
        self._key, self._counts = key, Counter[str]()
        self.parts: Counter[Part] = Counter()
        """How often the server took each, whoever heard of it."""
        self.arm_next(moment, strike)

    def arm_next(self, moment: Moment, strike: Callable[[], object]) -> None:
        """The same, counted from now on."""
        self._hit, self.struck, self._strike = None, threading.Event(), strike
        self._moment = moment._replace(number=self._counts[moment.what] + moment.number)

    def settled(self) -> set[Part]:
        """What the server has once nothing is on its way any more."""
        before = None
        while before != self.parts:
            before = self.parts.copy()
            time.sleep(1)
        return set(self.parts)

    def content(self, key: str) -> bytes:
        """By boto3."""
        found: bytes = self._api.get_object(Bucket=self.name, Key=key)["Body"].read()
        return found

    def uploads(self, key: str) -> list[str]:
        """Ids of those that are unfinished and hold parts; without any, nobody may have had the time to save its id."""
        found = self._api.list_multipart_uploads(Bucket=self.name, Prefix=key)
        ids = [each["UploadId"] for each in found.get("Uploads", ())]
        return [each for each in ids if self._api.list_parts(Bucket=self.name, Key=key, UploadId=each).get("Parts")]

    # ── at the proxy ──────────────────────────────────────────────────────────────────────────────────────────

    def _begun(self, asked: Asked) -> Answer | None:
        if not self._is_now(asked) or self._moment.when == "after":
            return None
        if self._moment.when == "half":
            self._send_half(asked)
        is_half = self._moment.when == "half"
        self._do()
        return Answer(500, {}) if is_half else None

    def _do(self) -> None:
        struck = self.struck
        self._strike()
        struck.set()

    def _is_now(self, asked: Asked) -> bool:
        kind = self._kind(asked)
        with self._lock:
            self._counts[kind] += 1
            is_now = (kind, self._counts[kind]) == self._moment[:2]
            self._hit = asked if is_now else self._hit
        return is_now

    def _kind(self, asked: Asked) -> str:
        path, _, query = asked.target.partition("?")
        names = parse_qs(query, keep_blank_values=True)
        if not self._key or not unquote(path).endswith(f"/{self._key}"):
            return ""
        found = [kind for (method, name), kind in KINDS.items() if asked.method == method and name in names]
        return found[0] if found else WHOLE.get(asked.method, "") if not names else ""

    def _send_half(self, asked: Asked) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._proxy.target_port, timeout=20)
        headers = {name: value for name, value in asked.headers.items() if name not in PER_CONNECTION}
        connection.request(asked.method, asked.target, asked.body[: len(asked.body) // 2], headers)
        connection.close()

    def _answered(self, asked: Asked, status: int) -> bool:
        if self._kind(asked) == "part" and status == 200:
            told = parse_qs(urlsplit(asked.target).query)
            self.parts[Part(told["uploadId"][0], int(told["partNumber"][0]))] += 1
        if asked is not self._hit or self._moment.when != "after" or self.struck.is_set():
            return False
        self._do()
        return True


@contextmanager
def opened(kind: Kind) -> Iterator[Bucket]:
    """An empty bucket on one of the servers that tests share."""
    import boto3

    endpoint, (_, key, secret) = ensure(kind), buckets.S3_PROFILES[kind.name]
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
    with buckets.s3_bucket(kind) as url, HttpProxy(urlsplit(endpoint).port or 0) as proxy:
        api = boto3.client("s3", endpoint_url=endpoint, **keys)
        yield Bucket(url, proxy, api)
        api.close()
