"""Keys and SAS tokens, as obstore and the SDK take them. Never printed."""

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

    def for_obstore(self) -> Any:
        """Arguments of its store."""
        return {"credential_type": "access_key", "account_key": self.key}


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

    def for_obstore(self) -> Any:
        """Arguments of its store."""
        return {"credential_type": "sas_token", "sas_key": self.token}


Credential = Key | Sas | Any
"""Or what azure-identity found."""
