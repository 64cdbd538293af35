"""Listings of Azure: pages, metadata, an order of our own, folders and blobs of other kinds."""

import re
from functools import partial as bound

import pytest

from tests.conformance.storage.places import content, put
from tests.support.http_proxy import Answer


def test_a_listing_has_metadata_and_asks_nothing_else(azure, azure_proxy):
    for number in range(10):
        put(azure, b"f%d" % number)
    azure_proxy.asked.clear()
    infos = list(azure.list_files())
    asked = ["comp=list" in asked.target for asked in azure_proxy.asked]
    assert asked == [True, False]  # the kind of account is asked for once
    assert infos == [azure.get_file_info(b"f%d" % number) for number in range(10)]


def test_a_listing_has_pages(azure, azure_proxy, monkeypatch):
    monkeypatch.setattr(azure.client, "_listed", bound(azure.client._listed, most=3))
    paths = [b"f%d" % number for number in range(10)]
    for path in paths:
        put(azure, path)
    azure_proxy.asked.clear()
    assert [info.path for info in azure.list_files()] == paths
    assert len([asked for asked in azure_proxy.asked if "comp=list" in asked.target]) == 4


@pytest.mark.parametrize("most_kept", [1, 5000])
@pytest.mark.parametrize("is_hierarchical", ["true", "false"])
def test_names_come_in_our_order_and_not_in_the_services(azure, azure_proxy, monkeypatch, most_kept, is_hierarchical):
    monkeypatch.setattr("storage_backends.azure.listing.MOST_KEPT", most_kept)
    headers = {"x-ms-is-hns-enabled": is_hierarchical, "x-ms-account-kind": "StorageV2", "x-ms-sku-name": "x"}
    azure_proxy.answers = lambda asked: Answer(200, headers) if "comp=properties" in asked.target else None
    names = [
        "a",
        "a-",
        "a/x",
        "a/😀",
        "a0",
        "\uff081\uff09",
        "\uff082\uff09",
        "\ufb01",
        "😀",
        "😀/1",
        "😀/\uff08",
        "😀/😀",
        "😁",
        "z",
    ]
    for name in names:
        put(azure, name.encode())
    assert [info.path for info in azure.list_files()] == sorted(name.encode() for name in names)


def test_a_listing_is_right_for_those_who_may_not_ask_for_the_kind_of_account(azure, azure_proxy):
    denied = Answer(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"})

    def answers(asked):
        if "comp=properties" in asked.target:
            return denied
        return folders_first(azure_proxy.forward(asked)) if "comp=list" in asked.target else None

    for name in [b"a", b"a/x", b"a-"]:
        put(azure, name)
    azure_proxy.answers = answers
    assert [info.path for info in azure.list_files()] == [b"a", b"a-", b"a/x"]


def folders_first(answer):
    """The same listing, as an account with a hierarchical namespace orders it."""
    head, *blobs, tail = re.split(rb"(?=<Blob>)|(?=</Blobs>)", answer.body)
    blobs.sort(key=lambda blob: re.search(rb"<Name>(.*?)</Name>", blob)[1].split(b"/"))
    return answer._replace(body=b"".join([head, *blobs, tail]))


def test_folders_of_a_hierarchical_account_are_no_files(azure, stranger):
    for name in ("d", "d/e"):
        stranger.get_blob_client(name).upload_blob(b"", metadata={"Hdi_isfolder": "true"})
    assert azure.root_identity().is_empty
    assert list(azure.list_files()) == []
    assert not azure.file_exists(b"d")
    put(azure, b"d/f")
    assert [info.path for info in azure.list_files()] == [b"d/f"]


def test_blobs_of_other_kinds_are_listed_and_read(azure, stranger):
    appended, paged = stranger.get_blob_client("appended"), stranger.get_blob_client("paged")
    appended.create_append_blob()
    appended.append_block(b"one")
    appended.append_block(b"two")
    paged.create_page_blob(1024)
    paged.upload_page(b"p" * 512, 512, 512)
    assert [(info.path, info.size) for info in azure.list_files()] == [(b"appended", 6), (b"paged", 1024)]
    assert content(azure, b"appended") == b"onetwo"
    assert azure.read_whole(b"paged", 2000)[1] == bytes(512) + b"p" * 512
