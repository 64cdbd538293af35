"""What of the storage interface is S3's own. The uploads of big files are in `upload.py`."""

from __future__ import annotations

from collections.abc import Iterator

from storage_backends.base import AlreadyCommitted, Capabilities, FileInfo, Kind, PartialId, UploadSession, UploadToken
from storage_backends.objects import metadata
from storage_backends.objects.storage import ObjectStorage
from storage_backends.s3.client import S3Client
from storage_backends.s3.failures import asking
from storage_backends.s3.place import Place
from storage_backends.s3.sdk import PARTS_IN_FLIGHT
from storage_backends.s3.upload import S3Upload, begin, parts_of

CAPABILITIES = Capabilities(
    min_part_bytes=5 << 20,
    max_part_bytes=5 << 30,
    max_parts=10_000,
    preferred_part_bytes=8 << 20,
    batch_file_bytes=4 << 20,
    batch_files=256,
    may_write_parts_in_any_order=True,
    parts_in_flight=PARTS_IN_FLIGHT,
    commits_if_absent=True,
    commits_if_version=True,
    names_are_bytes=False,
    version_tells_writes=False,
    sets_attributes=False,
    verifies_digest="sha256",
    finds_partials=False,
    lists_uploads=True,
    max_path_bytes=1024,
)


class S3Storage(ObjectStorage):
    """The objects of one bucket below a prefix."""

    capabilities = CAPABILITIES
    client: S3Client

    def __init__(self, client: S3Client, place: Place, prefix: bytes, path: bytes) -> None:
        where = f"s3://{place.endpoint_url or 'aws'}/{place.bucket}"
        super().__init__(client, where, prefix, path)

    def get_storage_type(self) -> str:
        return "s3"

    def create_upload(self, token: UploadToken) -> UploadToken:
        if not token.size:  # an upload has at least one part, and no part is empty
            return token
        begun = begin(self.client, self.key(token.path), metadata.encode(token.attributes, upload=token.nonce))
        digests = "1" if begun.keeps_digests else ""
        return token._replace(state={**token.state, "upload_id": begun.upload_id, "digests": digests})

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        """The object is asked first: some servers list the parts even of what was committed."""
        is_new = self.has_just_begun(token)
        if not is_new and (committed := self.committed(token)):
            raise AlreadyCommitted(self.describe(token.path, committed))
        return S3Upload(self, token, is_new=is_new)

    def list_uploads(self) -> Iterator[FileInfo]:
        """Their version is the upload's id; the parts of each are added up."""
        pages = self.client.api.get_paginator("list_multipart_uploads")
        with asking(self.client.bucket):
            for page in pages.paginate(Bucket=self.client.bucket, Prefix=self.prefix):
                for found in page.get("Uploads", ()):
                    parts = parts_of(self.client, found["Key"], found["UploadId"])
                    path, size = found["Key"][len(self.prefix) :].encode(), sum(part.size for part in parts.values())
                    yield FileInfo(path, Kind.SPECIAL, size, None, found["UploadId"])
