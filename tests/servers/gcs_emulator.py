"""gcp-storage-emulator with what keeps it from many clients at once, from big files and from rclone put right.

A program for the interpreter that has the emulator: `python gcs_emulator.py start …`, its own arguments.
"""

import http.server
import socketserver
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

# It answered one connection after the other, so that one on which nothing came held up everybody. Taken before it is
# imported.
http.server.HTTPServer = http.server.ThreadingHTTPServer  # type: ignore[misc]
# Five requests could wait; the next ones were reset, or stood for twenty seconds.
socketserver.TCPServer.request_queue_size = 128

from gcp_storage_emulator import server  # type: ignore[import-not-found] # noqa: E402
from gcp_storage_emulator.__main__ import main  # type: ignore[import-not-found] # noqa: E402
from gcp_storage_emulator.handlers import objects  # type: ignore[import-not-found] # noqa: E402
from gcp_storage_emulator.storage import Storage  # type: ignore[import-not-found] # noqa: E402

Handler = Callable[[Any, Any, Any], None]
RESUME_INCOMPLETE = objects.GoogleHTTPStatus.RESUME_INCOMPLETE
LOCK = threading.Lock()
RECEIVED: dict[str, bytearray] = defaultdict(bytearray)
"""Of each unfinished upload. With every chunk the emulator copied all that it had: 512 MiB took ten seconds."""


def alone(handler: Handler) -> Handler:
    """One request at a time, once its body is there."""

    def handle(request: Any, response: Any, storage: Any) -> None:
        _ = request.data
        with LOCK:
            handler(request, response, storage)

    return handle


def post_to_uploads(request: Any, response: Any, storage: Any) -> None:
    """Clients in Go send chunks by POST, and have 308 answered as 200 with a header, as Google does."""
    if "upload_id" not in request.query:
        objects.insert(request, response, storage)
        return
    objects.upload_partial(request, response, storage)
    if response.status == RESUME_INCOMPLETE and request.get_header("X-GUploader-No-308"):
        response.status = http.HTTPStatus.OK
        response["X-HTTP-Status-Code-Override"] = "308"


def get(request: Any, response: Any, storage: Any) -> None:
    """What is missing is told in Google's words: the bucket or the object."""
    objects.get(request, response, storage)
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    if response.status == http.HTTPStatus.NOT_FOUND and bucket in storage.buckets:
        response.json({"error": {"code": 404, "message": f"No such object: {bucket}/{name}"}})


def received(storage: Any, upload: str) -> int:
    """How many bytes of it are here."""
    return len(RECEIVED[upload])


def receive(
    storage: Any, upload: str, content: bytes, total_size: int | None = None, expected_start: int | None = None
) -> bytes | None:
    """Everything, once it is complete."""
    held = RECEIVED[upload]
    if expected_start is not None and expected_start != len(held):
        raise objects.BadRequest(f"expected a chunk from {len(held)} on, got one from {expected_start} on")
    held += content
    if total_size is None or len(held) < total_size:
        return None
    del RECEIVED[upload]
    return bytes(memoryview(held)[:total_size])


Storage.get_resumable_byte_count = received
Storage.add_to_resumable_upload = receive
# With every change it wrote a list of all objects for its next start, which one in memory does not have: at 2,000
# objects that took a second.
Storage._write_config_to_file = lambda self: None
OURS = {objects.insert: post_to_uploads, objects.get: get}
for _, handlers in server.HANDLERS:
    handlers.update({method: alone(OURS.get(handler, handler)) for method, handler in handlers.items()})

if __name__ == "__main__":
    main()
