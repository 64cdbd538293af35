"""Connections of `requests`, by which Google's and Azure's SDKs ask."""

from __future__ import annotations

from requests.adapters import HTTPAdapter


class ClosingAdapter(HTTPAdapter):
    """Its `close` ends the connections at once, and not when the last error that came over one is forgotten."""

    def close(self) -> None:
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 (it can't be iterated over)
            pools[key].close()
        super().close()
