"""What of the storage interface is Google's own. The uploads are in `upload.py`."""

from __future__ import annotations

from collections.abc import Iterator

from storage_backends.base import AlreadyCommitted, Capabilities, FileInfo, PartialId, UploadSession, UploadToken
from storage_backends.errors import FileTooBig, UploadGone
from storage_backends.gcs.client import GcsClient
from storage_backends.gcs.progress import QUANTUM_BYTES
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.storage import ObjectStorage

PART_BYTES = 16 << 20
"""Each waits for the answer to the one before, so fewer of them are quicker where answers take time."""
LARGEST_BYTES = 5 << 40

CAPABILITIES = Capabilities(
    min_part_bytes=QUANTUM_BYTES,
    part_multiple_bytes=QUANTUM_BYTES,
    max_part_bytes=PART_BYTES,  # the service knows no parts: this and the next line are its largest object
    max_parts=LARGEST_BYTES // PART_BYTES,
    preferred_part_bytes=PART_BYTES,
    batch_file_bytes=4 << 20,
    batch_files=256,  # staged in memory, up to 64 MiB together
    parts_in_flight=1,
    names_are_bytes=False,
    commits_if_absent=True,
    commits_if_version=True,
    commits_with_last_part=True,
    overwrites_parts=False,
    verifies_digest="crc32c",
    finds_partials=False,
    upload_ttl_days=7,
    max_path_bytes=1024,
)


class GcsStorage(ObjectStorage):
    """The objects of one bucket below a prefix."""

    capabilities = CAPABILITIES
    client: GcsClient

    def get_storage_type(self) -> str:
        return "gcs"

    def refusal(self, key: str) -> str:
        if "\r" in key or "\n" in key:
            return "holds a line break"
        return "has a prefix kept for certificates" if key.startswith(".well-known/acme-challenge/") else ""

    def part_bytes(self, path: bytes, size: int) -> int:
        if size > LARGEST_BYTES:
            raise FileTooBig(f"'{display_path(path)}' has {size:,} bytes; an object has at most 5 TiB")
        return super().part_bytes(path, size)

    def create_upload(self, token: UploadToken) -> UploadToken:
        if token.size <= token.part_bytes:
            return token
        kept = metadata.encode(token.attributes, upload=token.nonce)
        uri = self.client.begin_session(self.key(token.path), token.size, kept, token.state["expected"])
        return token._replace(state={**token.state, "uri": uri}, is_secret=True)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        from storage_backends.gcs.upload import GcsUpload

        is_new, upload = self.has_just_begun(token), GcsUpload(self, token)
        if is_new or ("uri" in token.state and upload.is_open()):
            return upload
        if committed := self.committed(token):
            raise AlreadyCommitted(self.describe(token.path, committed))
        if "uri" in token.state:
            raise UploadGone(f"the upload of '{display_path(token.path)}' is gone; it begins again")
        return upload

    def list_uploads(self) -> Iterator[FileInfo]:
        raise NotImplementedError("Google Cloud Storage does not tell which uploads are unfinished")
