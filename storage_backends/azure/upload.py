"""One upload to Azure.

A big file is made of blocks that nobody sees until their list is committed, with the metadata. The ids of blocks carry
the upload's nonce, so those of others are never taken for ours. Blocks can't be removed: those of an upload that nobody
finishes vanish with the next write of that blob, or after a week.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from storage_backends.azure.describing import names_out, only_if, version_of
from storage_backends.azure.failures import asking
from storage_backends.base import UploadToken
from storage_backends.errors import NotFound, PreconditionFailed, Unreachable, UploadGone
from storage_backends.objects import metadata
from storage_backends.objects.client import Stored
from storage_backends.objects.upload import ObjectUpload
from storage_backends.registry import importing

if TYPE_CHECKING:
    from storage_backends.azure.storage import AzureStorage

_BLOCK = "{nonce:.16}-{number:06d}"
_BLOCK_BYTES = 23
_NAME = re.compile("<Name>([^<]+)</Name>")


class AzureUpload(ObjectUpload):
    """Blocks of one blob, and their list. `held_parts` is what the service listed and what it took since then."""

    def __init__(self, storage: AzureStorage, token: UploadToken) -> None:
        super().__init__(storage, token)
        self._client, self._key = storage.client, storage.key(token.path)
        sizes, self._id_bytes = self._uncommitted()
        if self._id_bytes < _BLOCK_BYTES:
            raise PreconditionFailed(
                f"{self._name}: an unfinished upload of somebody else stands in the way (its blocks have shorter ids); "
                "it vanishes when the blob is written in one piece, or after a week"
            )
        self.held_parts: set[int] = {
            number for number in range(token.part_count) if sizes.get(self._id(number)) == token.part_length(number)
        }

    def send_part(self, number: int, data: memoryview) -> None:
        """The service compares the MD5 of what arrives."""
        if not self._client.shorter.put_block(self._key, self._id(number), data):
            with asking(self._client.container, self._key):
                self._blob.stage_block(self._id(number), bytes(data), length=len(data), validate_content=True)
        self.held_parts.add(number)

    def keep(self, parts: int) -> None:
        self.held_parts.difference_update([number for number in self.held_parts if number >= parts])

    def make_object(self) -> Stored:
        try:
            return self._commit()
        except (PreconditionFailed, UploadGone, Unreachable):  # or the answer to our own commit was lost
            committed = self._storage.committed(self.token)
            if committed is None:
                raise
            return committed

    def abort(self) -> None:
        """Nothing can be done: the service forgets the blocks by itself."""

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _blob(self) -> Any:
        return self._client.blob(self._key)

    def _uncommitted(self) -> tuple[dict[str, int], int]:
        """Id → size of the blocks that are there, those of others too, and the length that all their ids have."""
        told = self._client.shorter.blocks(self._key)
        if told is not None:
            sizes = {block_id.decode(errors="replace"): size for block_id, size in told.items()}
            return sizes, len(next(iter(told), b" " * _BLOCK_BYTES))
        pages: list[str] = []
        uncommitted: list[Any] = []
        with suppress(NotFound), asking(self._client.container, self._key):
            _, uncommitted = self._blob.get_block_list(
                "uncommitted", raw_response_hook=lambda response: pages.append(response.http_response.text())
            )
        first = _NAME.search(pages[-1]) if uncommitted else None  # the SDK shows no id that is not text
        return (
            {block.id: block.size for block in uncommitted},
            len(base64.b64decode(first[1])) if first else _BLOCK_BYTES,
        )

    def _id(self, number: int) -> str:
        """As long as those that are there, of whomever: the service takes no others."""
        return _BLOCK.format(nonce=self.token.nonce, number=number).ljust(self._id_bytes, "-")

    def _commit(self) -> Stored:
        token = self.token
        kept = metadata.encode(token.attributes, sha256=self._sha256, upload=token.nonce)
        made = Stored(self._key, token.size, version_of(self._commit_blocks(names_out(kept))), kept)
        found = self._client.head(self._key)
        return found if found.version == made.version else made  # somebody has written once more

    def _commit_blocks(self, kept: dict[str, str]) -> str:
        """The etag."""
        ids = [self._id(number) for number in range(self.token.part_count)]
        expected = self.token.state["expected"]
        if etag := self._client.shorter.put_blocks(self._key, ids, kept, expected):
            return etag
        with importing("azure"):
            from azure.storage.blob import BlobBlock, BlockState

        blocks = [BlobBlock(block_id, BlockState.UNCOMMITTED) for block_id in ids]
        with asking(self._client.container, self._key):
            answer = self._blob.commit_block_list(blocks, metadata=kept, **only_if(expected))
        made: str = answer["etag"]
        return made
