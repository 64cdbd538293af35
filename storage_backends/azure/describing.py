"""A blob of the service's, told in our words, and ours in the service's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage_backends.objects.client import Stored, whole_seconds_ns
from storage_backends.objects.pages import size_told, version_told

FOLDER = "hdi-isfolder"
"""Metadata of what stands for a folder where the account has a hierarchical namespace."""


def of_sdk(key: str, found: Any) -> Stored:
    """Of `found`, the SDK's properties of a blob."""
    modified_ns = whole_seconds_ns(found.last_modified) if found.last_modified else None
    version = version_of(version_told(key, found.etag))
    return Stored(key, size_told(key, found.size), version, names_in(found.metadata or {}), modified_ns)


def is_folder(stored: Stored) -> bool:
    """Whether it stands for a folder, and is no blob to us."""
    return (stored.metadata or {}).get(FOLDER, "").lower() == "true"


def names_in(kept: Mapping[str, str]) -> dict[str, str]:
    """Metadata as we name it."""
    return {name.lower().replace("_", "-"): value for name, value in kept.items()}


def names_out(kept: Mapping[str, str]) -> dict[str, str]:
    """Metadata names are identifiers of C# there, in any case."""
    return {name.replace("-", "_"): value for name, value in kept.items()}


def version_of(etag: str) -> str:
    """Listings tell it without quotes."""
    return etag.strip('"')


def only_if(version: str) -> dict[str, Any]:
    """The SDK's precondition that means "still this version"; of an empty one: "still nothing"."""
    from azure.core import MatchConditions

    if not version:
        return {"match_condition": MatchConditions.IfMissing}
    return {"etag": f'"{version}"', "match_condition": MatchConditions.IfNotModified}
