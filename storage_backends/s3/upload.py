"""One upload to S3: a multipart upload, whose metadata are fixed when it begins.

So the SHA-256 of the file is not part of them, the upload's nonce is: after a crash `ListParts` tells what is there,
and the object itself whether it was committed.

Every part is signed over its SHA-256. A server that keeps digests says so when an upload begins (AWS does): then each
part carries its own once more, the server keeps it with the part, and what it made of all of them in the end (SHA-256
of the parts' digests) is compared with ours. Where such a server names none, or where the answer was lost, the upload
says that it is not verified (`is_verified_by_server`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from storage_backends.base import UploadToken
from storage_backends.errors import ChecksumMismatch, PreconditionFailed, StorageError, Unreachable, UploadGone
from storage_backends.objects import metadata
from storage_backends.objects.body import Body
from storage_backends.objects.client import Stored
from storage_backends.objects.upload import ObjectUpload
from storage_backends.s3.client import S3Client
from storage_backends.s3.failures import asking
from storage_backends.s3.multipart import Begun, Part, Parts

if TYPE_CHECKING:
    from storage_backends.s3.storage import S3Storage


def begin(client: S3Client, key: str, metadata: Mapping[str, str]) -> Begun:
    """An upload whose object will have these."""
    if begun := client.multipart.begin(key, metadata):
        return begun
    with asking(client.bucket, key):
        made = client.api.create_multipart_upload(
            Bucket=client.bucket, Key=key, Metadata=dict(metadata), ChecksumAlgorithm="SHA256"
        )
        return Begun(made["UploadId"], made.get("ChecksumAlgorithm") == "SHA256")


def parts_of(client: S3Client, key: str, upload_id: str) -> dict[int, Part]:
    """Number (from 0) → part. Raises UploadGone."""
    found = client.multipart.parts(key, upload_id)
    if found is not None:
        return found
    pages = client.api.get_paginator("list_parts").paginate(Bucket=client.bucket, Key=key, UploadId=upload_id)
    with asking(client.bucket, key):
        parts = [part for page in pages for part in page.get("Parts", ())]
        told = [Part(part["Size"], part["ETag"], part.get("ChecksumSHA256", "")) for part in parts]
        return {part["PartNumber"] - 1: each for part, each in zip(parts, told, strict=True)}


class S3Upload(ObjectUpload):
    """One multipart upload, or one PUT where the file is empty."""

    def __init__(self, storage: S3Storage, token: UploadToken, *, is_new: bool) -> None:
        """`is_new`: nothing was sent yet."""
        super().__init__(storage, token)
        self._client, self._key = storage.client, storage.key(token.path)
        self._id = token.state.get("upload_id", "")
        self._target = {"Bucket": self._client.bucket, "Key": self._key, "UploadId": self._id}
        self._keeps_digests = bool(token.state.get("digests"))
        self._parts = self._held() if self._id and not is_new else {}
        self.held_parts = self._parts.keys()

    def _held(self) -> dict[int, Part]:
        """Whole parts at the server. Raises UploadGone."""
        return {
            number: part
            for number, part in parts_of(self._client, self._key, self._id).items()
            if 0 <= number < self.token.part_count and part.size == self.token.part_length(number)
        }

    def send_part(self, number: int, data: memoryview) -> None:
        digest, keeps = hashlib.sha256(data).digest(), self._keeps_digests
        etag = self._client.multipart.send(self._key, self._id, number, data, digest, keeps=keeps)
        sha256 = base64.b64encode(digest).decode() if keeps else ""
        self._parts[number] = Part(len(data), etag or self._send_by_sdk(number, data, sha256), sha256)

    def _send_by_sdk(self, number: int, data: memoryview, sha256: str) -> str:
        """The etag."""
        digest = {"ChecksumSHA256": sha256} if sha256 else {}
        with asking(self._client.bucket, self._key):
            answer = self._client.api.upload_part(**self._target, PartNumber=number + 1, Body=Body(data), **digest)
            etag: str = answer["ETag"]
            return etag

    def keep(self, parts: int) -> None:
        for number in [number for number in self._parts if number >= parts]:
            del self._parts[number]

    def make_object(self) -> Stored:
        """Every commit is unknown until the object confirms it."""
        token, self.is_verified_by_server = self.token, not self._id
        why: StorageError = UploadGone(f"{self._name} is not what was committed; it begins again")
        try:
            if not token.size:
                kept = metadata.encode(token.attributes, upload=token.nonce)
                self._client.put(self._key, b"", kept, token.state["expected"])
            else:
                self._complete_as_held()
        except (PreconditionFailed, UploadGone, Unreachable) as error:  # or the answer to our own commit was lost
            why = error
        found = self._storage.committed(token)
        if found is None or found.size != token.size:
            raise why
        return found

    def _complete_as_held(self) -> None:
        """A slave that was taken for dead may have sent a part once more, for which some servers have another etag."""
        expected = self.token.state["expected"]
        try:
            self._client.on_condition(self._key, expected, self._complete)
        except UploadGone:
            known, held = self._parts.copy(), self._held()
            if held.keys() != known.keys() or all(held[each].etag == known[each].etag for each in held):
                raise
            self._parts.update(held)
            self._sent.clear()
            self._client.on_condition(self._key, expected, self._complete)

    def _complete(self, condition: Mapping[str, str]) -> None:
        has_digests = all(part.sha256 for part in self._parts.values())
        parts = {number: part if has_digests else part._replace(sha256="") for number, part in self._parts.items()}
        made = self._client.multipart.complete(self._key, self._id, parts, condition)
        if made is None:
            made = self._complete_by_sdk(parts, condition)
        if has_digests and made and made != self._digest_of_digests():
            raise ChecksumMismatch(f"{self._name}: the storage made other bytes of the parts")
        self.is_verified_by_server = bool(made) or not self._keeps_digests

    def _complete_by_sdk(self, parts: Parts, condition: Mapping[str, str]) -> str:
        """What the server says of the parts' digests."""
        told = [
            {"PartNumber": number + 1, "ETag": part.etag, **({"ChecksumSHA256": part.sha256} if part.sha256 else {})}
            for number, part in sorted(parts.items())
        ]
        with asking(self._client.bucket, self._key):
            answer = self._client.api.complete_multipart_upload(
                **self._target, MultipartUpload={"Parts": told}, **condition
            )
        made: str = answer.get("ChecksumSHA256", "")
        return made

    def _digest_of_digests(self) -> str:
        """As the server names it: of how many parts stands behind it."""
        digests = b"".join(base64.b64decode(part.sha256) for _, part in sorted(self._parts.items()))
        return f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(self._parts)}"

    def abort(self) -> None:
        if self._id:
            with suppress(UploadGone), asking(self._client.bucket, self._key):
                self._client.api.abort_multipart_upload(**self._target)
