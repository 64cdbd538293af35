"""What of the storage interface is Azure's own. The uploads of big files are in `upload.py`."""

from __future__ import annotations

from collections.abc import Iterator

from storage_backends.azure.client import PARTS_IN_FLIGHT, AzureClient
from storage_backends.azure.upload import AzureUpload
from storage_backends.base import AlreadyCommitted, Capabilities, FileInfo, PartialId, UploadSession, UploadToken
from storage_backends.errors import NameTooLong, UploadGone
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.storage import ObjectStorage

CAPABILITIES = Capabilities(
    max_part_bytes=4000 << 20,
    max_parts=50_000,
    preferred_part_bytes=8 << 20,
    batch_file_bytes=4 << 20,
    batch_files=256,
    may_write_parts_in_any_order=True,
    parts_in_flight=PARTS_IN_FLIGHT,
    commits_if_absent=True,
    commits_if_version=True,
    names_are_bytes=False,
    verifies_digest="md5",
    finds_partials=False,
    tells_gone_uploads=False,
    upload_ttl_days=7,
    max_path_bytes=3 * 1024,
)
MOST_CHARACTERS, MOST_FOLDERS = 1024, 253


class AzureStorage(ObjectStorage):
    """The blobs of one container whose names begin with a prefix."""

    capabilities = CAPABILITIES
    client: AzureClient

    def get_storage_type(self) -> str:
        return "azure"

    def key(self, path: bytes) -> str:
        """The service counts characters, in UTF-16."""
        key = super().key(path)
        if len(key.encode("utf-16-le")) > 2 * MOST_CHARACTERS:
            raise NameTooLong(f"'{display_path(path)}' makes a key of more than {MOST_CHARACTERS:,} characters")
        return key

    def refusal(self, key: str) -> str:
        if "\\" in key:
            return "holds a backslash, which becomes a slash there"
        if any(part.endswith(".") for part in key.split("/")):
            return "has a part that ends in a dot"
        if key.count("/") > MOST_FOLDERS:
            return f"lies in more than {MOST_FOLDERS} folders"
        is_odd = any(each < " " or "\x7f" <= each <= "\x9f" or each in "\ufffe\uffff" for each in key)
        return "holds a control character" if is_odd else ""

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        """The blob is asked first: whether this upload made it, or another write has taken the blocks away."""
        if self.has_just_begun(token):
            return AzureUpload(self, token)
        found = self.client.find(self.key(token.path))
        if found and metadata.is_of(found, token.nonce):
            raise AlreadyCommitted(self.describe(token.path, found))
        if (found.version if found else "") != token.state["expected"]:
            raise UploadGone(f"'{display_path(token.path)}' was written by somebody else; the upload begins again")
        return AzureUpload(self, token)

    def list_uploads(self) -> Iterator[FileInfo]:
        return iter(())
