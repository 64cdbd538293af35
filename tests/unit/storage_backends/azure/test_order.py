"""Whatever order a kind of account lists blobs in, ours is ascending UTF-8."""

import random

import pytest

from storage_backends import errors
from storage_backends.azure import listing
from storage_backends.azure.listing import ascending
from storage_backends.objects.client import Stored


def utf16(key):
    return key.encode("utf-16-be")


def folders_first(key):
    """As a hierarchical namespace compares."""
    return [part.encode("utf-16-be") for part in key.split("/")]


@pytest.mark.parametrize("most_kept", [1, 3, 5000])
@pytest.mark.parametrize(("order", "folders_come_early"), [(utf16, False), (utf16, True), (folders_first, True)])
def test_a_listing_comes_in_ascending_utf_8(monkeypatch, most_kept, order, folders_come_early):
    monkeypatch.setattr(listing, "MOST_KEPT", most_kept)
    drawn = random.Random(most_kept)
    for _ in range(400):
        keys = {"p" + "".join(drawn.choices("ab-/0\uff08\ufb01😀😁", k=drawn.randrange(8))) for _ in range(40)}
        ordered = sorted(keys, key=order)

        def listed(prefix, ordered=ordered):
            return (Stored(key, 0, "v", None) for key in ordered if key.startswith(prefix))

        for prefix in ("", "p", "pa/"):
            found = [stored.key for stored in ascending(listed, prefix, folders_come_early=folders_come_early)]
            assert found == sorted((key for key in keys if key.startswith(prefix)), key=str.encode)


def test_what_is_in_its_place_is_neither_kept_nor_listed_twice():
    asked = []

    def listed(prefix):
        asked.append(prefix)
        return (Stored(f"{prefix}{number:06}", 0, "v", None) for number in range(20_000))

    assert sum(1 for _ in ascending(listed, "d/", folders_come_early=True)) == 20_000
    assert asked == ["d/"]


def test_a_few_names_that_come_too_early_cost_no_request(monkeypatch):
    asked = []

    def listed(prefix):
        asked.append(prefix)
        return (Stored(key, 0, "v", None) for key in ["a/x", "a-", "b/y", "b0"])

    assert [stored.key for stored in ascending(listed, "", folders_come_early=True)] == ["a-", "a/x", "b/y", "b0"]
    assert asked == [""]


def test_an_order_that_nobody_knows_is_an_error():
    keys = [Stored(key, 0, "v", None) for key in ("b", "a")]
    with pytest.raises(errors.StorageError, match="order"):
        list(ascending(lambda prefix: iter(keys), "", folders_come_early=False))
