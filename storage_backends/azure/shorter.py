"""The way past Azure's SDK, with the requests that only Azure has. This one is closed: all goes the SDK's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage_backends.objects.connection import Body
from storage_backends.objects.shorter import ShorterWay


class AzureWay(ShorterWay):
    """One container, used by many threads at once."""

    def is_hierarchical(self) -> bool | None:
        """Whether the account has a hierarchical namespace."""
        return None

    def blocks(self, key: str) -> dict[bytes, int] | None:
        """Id → size of the blocks that were sent and are no blob yet."""
        return None

    def put_block(self, key: str, block_id: str, data: Body) -> bool:
        """Send one block of an upload."""
        return False

    def put_blocks(self, key: str, ids: Sequence[str], metadata: Mapping[str, str], expected: str) -> str | None:
        """Make the blob of the blocks that were sent; its etag."""
        return None
