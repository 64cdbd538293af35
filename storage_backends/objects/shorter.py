"""The way past a service's SDK: requests of our own, for nearly all of a sync while all goes well.

Each service has one of its own, in `wire.py`. It has no errors but NotFound: whatever is not answered as hoped for is
None (or False), and goes the SDK's way, whose errors are told apart and which tries again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from storage_backends.objects.http import Http, Talk, nothing

if TYPE_CHECKING:
    from storage_backends.objects.client import Page, Stored


class ShorterWay:
    """One bucket or container, used by many threads at once. This one is closed: everything goes the SDK's way."""

    http: Http | None = None

    def page(self, prefix: str, token: str, most: int | None = None) -> Page | None:
        """Objects whose keys begin with `prefix`, in the service's order, `most` at a time; `token` is of the page
        before."""
        return None

    def look(self, key: str) -> Stored | None:
        """At one object. Raises NotFound."""
        return None

    def look_at_many(self, keys: Sequence[str]) -> dict[str, Stored]:
        """At those in ascending order that one request tells of, by key, if it is worth while."""
        return {}

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> bool:
        """Fill `buffer` with bytes of that version."""
        return False

    def getting(self, key: str, max_bytes: int) -> Talk[tuple[Stored, bytes] | None]:
        """See `ObjectClient.get`."""
        return nothing()

    def reading_back(self, key: str, version: str, size: int) -> Talk[bytes | None]:
        """See `ObjectClient.read_back`."""
        return nothing()

    def putting(
        self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None
    ) -> Talk[Stored | None]:
        """See `ObjectClient.put`."""
        return nothing()

    def close(self) -> None:
        """Idempotent."""
        if self.http:
            self.http.close()
