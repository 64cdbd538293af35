"""A resumable upload without Google's SDK, which takes half a second to be imported, while all goes well.

As with all that goes this way (`wire`), whatever is not answered as hoped for is for the SDK, or `sessions`, to ask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from storage_backends.gcs.progress import FINISHED, INCOMPLETE, Chunk, Progress, held_bytes
from storage_backends.gcs.wire import CONTENT_TYPE, Wire
from storage_backends.objects.http import PLAIN_KEY, Answer
from storage_backends.objects.shorter import ShorterWay

REFUSED = range(400, 500)
NOT_FOR_GOOD = (401, 408, 429)


class NoResumable:
    """Everything goes the SDK's way."""

    def begin(self, key: str, size: int, metadata: Mapping[str, str], expected: str) -> str | None:
        """The URI of a new upload."""
        return None

    def send(self, uri: str, chunk: Chunk) -> Progress | None:
        """All of it, once; the service may keep less. None: it is not known what it holds now."""
        return None


class Resumable(NoResumable):
    """Of one bucket."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def begin(self, key: str, size: int, metadata: Mapping[str, str], expected: str) -> str | None:
        if not PLAIN_KEY.fullmatch(key):
            return None
        about = json.dumps({"name": key, "metadata": dict(metadata), "contentType": CONTENT_TYPE}).encode()
        kind = {"Content-Type": "application/json; charset=UTF-8"}
        told = {"X-Upload-Content-Type": CONTENT_TYPE, "X-Upload-Content-Length": str(size)}
        answer = self._wire.upload("resumable", expected, {**kind, **told}, about)
        return answer.headers.get("location") if answer is not None and answer.status in FINISHED else None

    def send(self, uri: str, chunk: Chunk) -> Progress | None:
        headers = {**chunk.headers(), "Content-Length": str(len(chunk.data))}
        answer = self._wire.http.request("PUT", uri, headers, chunk.data)
        if answer is None:
            return None
        if answer.status == INCOMPLETE:
            return Progress(held_bytes(answer.headers.get("range", "")))
        if answer.status in REFUSED and answer.status not in NOT_FOR_GOOD:
            return Progress(chunk.first)  # nothing was taken; whoever sends it once more is told why
        return _finished(answer, chunk.size)


def _finished(answer: Answer, size: int) -> Progress | None:
    try:
        found = json.loads(answer.data) if answer.status in FINISHED else None
    except ValueError:
        return None
    return Progress(size, found) if isinstance(found, dict) else None


def resumable_by(shorter: ShorterWay) -> NoResumable:
    """The way of big uploads, where there is one for small objects."""
    return Resumable(shorter) if isinstance(shorter, Wire) else NoResumable()
