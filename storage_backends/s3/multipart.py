"""The requests of a multipart upload without boto3, which takes a quarter of a second to be imported.

As with all that goes this way (`wire`), whatever is not answered as hoped for is None, and boto3 asks anew.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from storage_backends.objects.connection import Body
from storage_backends.objects.http import PLAIN_KEY, Answer
from storage_backends.objects.shorter import ShorterWay
from storage_backends.s3.wire import Wire, kept_as

_CONDITIONS = {"IfMatch": "if-match", "IfNoneMatch": "if-none-match"}
"""As boto3 calls them."""


class Part(NamedTuple):
    """One part that the server holds."""

    size: int
    etag: str
    sha256: str = ""
    """In base64; empty where the server keeps none."""


Parts = Mapping[int, Part]
"""By number, from 0."""


class Begun(NamedTuple):
    """An upload that the server knows."""

    upload_id: str
    keeps_digests: bool
    """Of each part."""


class NoMultipart:
    """Everything goes boto3's way."""

    def begin(self, key: str, metadata: Mapping[str, str]) -> Begun | None:
        """An upload of an object that will have these."""
        return None

    def parts(self, key: str, upload_id: str) -> dict[int, Part] | None:
        """What the server holds of it."""
        return None

    def send(
        self, key: str, upload_id: str, number: int, data: memoryview, sha256: bytes, *, keeps: bool
    ) -> str | None:
        """A part, of that digest, which the server `keeps`. The etag."""
        return None

    def complete(self, key: str, upload_id: str, parts: Parts, condition: Mapping[str, str]) -> str | None:
        """Make the object. What the server says of the parts' digests, empty where that is nothing."""
        return None


class Multipart(NoMultipart):
    """Of one bucket, used by many threads at once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def begin(self, key: str, metadata: Mapping[str, str]) -> Begun | None:
        answer = self._ask("POST", key, "uploads", {"x-amz-checksum-algorithm": "SHA256", **kept_as(metadata)})
        told = _told(answer, "InitiateMultipartUpload")
        if answer is None or told is None or not told.get("UploadId"):
            return None
        return Begun(told["UploadId"], answer.headers.get("x-amz-checksum-algorithm") == "SHA256")

    def parts(self, key: str, upload_id: str) -> dict[int, Part] | None:
        root = _document(self._ask("GET", key, _of(upload_id), {}), "ListParts")
        if root is None or _texts(root).get("IsTruncated") != "false":
            return None
        return _parts(root)

    def send(
        self, key: str, upload_id: str, number: int, data: memoryview, sha256: bytes, *, keeps: bool
    ) -> str | None:
        digest = {"x-amz-checksum-sha256": base64.b64encode(sha256).decode()} if keeps else {}
        answer = self._ask("PUT", key, f"partNumber={number + 1}&{_of(upload_id)}", digest, data, sha256)
        return answer.headers.get("etag") if answer is not None and answer.status == 200 else None

    def complete(self, key: str, upload_id: str, parts: Parts, condition: Mapping[str, str]) -> str | None:
        headers = {_CONDITIONS[name]: value for name, value in condition.items()}
        told = _told(self._ask("POST", key, _of(upload_id), headers, _list(parts)), "CompleteMultipartUpload")
        return None if told is None else told.get("ChecksumSHA256", "")

    def _ask(
        self, method: str, key: str, query: str, headers: Mapping[str, str], body: Body = b"", sha256: bytes = b""
    ) -> Answer | None:
        if not PLAIN_KEY.fullmatch(key):
            return None
        length = {} if method == "GET" else {"content-length": str(len(body))}
        ask = self._wire.ask(method, f"/{key}?{query}", {**length, **headers}, body, sha256)
        return self._wire.http.answer(ask) if ask else None


def multipart_by(shorter: ShorterWay) -> NoMultipart:
    """The way of uploads, where there is one for small objects."""
    return Multipart(shorter) if isinstance(shorter, Wire) else NoMultipart()


def _of(upload_id: str) -> str:
    return f"uploadId={quote(upload_id, safe='')}"


def _document(answer: Answer | None, what: str) -> ElementTree.Element | None:
    """Of that kind ("Result" stands behind it, mostly). An error may come with status 200, too."""
    if answer is None or answer.status != 200:
        return None
    try:
        root = ElementTree.fromstring(answer.data.strip())  # spaces come first while the server is at work
    except (ElementTree.ParseError, LookupError, ValueError):  # of an encoding that it says it has, too
        return None
    return root if _name(root).removesuffix("Result") == what else None


def _told(answer: Answer | None, what: str) -> dict[str, str] | None:
    root = _document(answer, what)
    return None if root is None else _texts(root)


def _texts(element: ElementTree.Element) -> dict[str, str]:
    """Of what lies in it, by their names."""
    return {_name(each): (each.text or "").strip() for each in element}


def _parts(root: ElementTree.Element) -> dict[int, Part] | None:
    found: dict[int, Part] = {}
    try:
        for told in [_texts(element) for element in root if _name(element) == "Part"]:
            part = Part(int(told["Size"]), told["ETag"], told.get("ChecksumSHA256", ""))
            found[int(told["PartNumber"]) - 1] = part
    except (LookupError, ValueError):
        return None
    return found


def _name(element: ElementTree.Element) -> str:
    """Without the space it belongs to: some servers name none."""
    return element.tag.rpartition("}")[2]


def _list(parts: Parts) -> bytes:
    entries = [
        f"<Part><PartNumber>{number + 1}</PartNumber><ETag>{escape(part.etag)}</ETag>"
        f"{f'<ChecksumSHA256>{part.sha256}</ChecksumSHA256>' if part.sha256 else ''}</Part>"
        for number, part in sorted(parts.items())
    ]
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<CompleteMultipartUpload xmlns="{space}">{"".join(entries)}</CompleteMultipartUpload>'.encode()
