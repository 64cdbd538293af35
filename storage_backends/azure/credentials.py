"""Keys and SAS tokens, as the SDK takes them. Never printed."""

from __future__ import annotations

from typing import Any, NamedTuple


class Key(NamedTuple):
    """Of an account."""

    account: str
    key: str

    def __repr__(self) -> str:
        return "Key(…)"

    def for_sdk(self) -> Any:
        """What the SDK takes as a credential."""
        return {"account_name": self.account, "account_key": self.key}


class Sas(NamedTuple):
    """A shared access signature."""

    account: str
    token: str

    def __repr__(self) -> str:
        return "Sas(…)"

    def for_sdk(self) -> Any:
        """What the SDK takes as a credential."""
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(self.token)


Credential = Key | Sas | Any
"""Or what azure-identity found."""
