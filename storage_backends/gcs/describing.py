"""An object of the service's, told in our words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from storage_backends.objects.client import Stored
from storage_backends.objects.pages import size_told

LISTED_FIELDS = "items(name,size,generation,metageneration,metadata,updated),nextPageToken"
"""As much as we want to be told of each."""
EPOCH = datetime.fromtimestamp(0, UTC)


def stored_from(resource: Mapping[str, Any]) -> Stored:
    """An object as the service's JSON describes it. Raises ValueError where it describes none."""
    try:
        return Stored(
            resource["name"],
            size_told(resource["name"], resource["size"]),
            f"{resource['generation']}.{resource['metageneration']}",
            resource.get("metadata") or {},
            nanoseconds(datetime.fromisoformat(resource["updated"])),
        )
    except (LookupError, TypeError) as error:
        raise ValueError(f"it describes an object without {error}") from error


def preconditions(version: str | None) -> dict[str, int]:
    """What means "still this version"; of an empty one: "still nothing"; of None: nothing."""
    if version is None:
        return {}
    generation, _, metageneration = version.partition(".")
    if not generation:
        return {"generation": 0}
    return {"generation": int(generation), "metageneration": int(metageneration)}


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000
