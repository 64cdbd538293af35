"""A listing that can't be true is an error of its storage, and neither an empty one nor one without end."""

from contextlib import closing
from urllib.parse import parse_qsl, urlsplit

import pytest

from storage_backends.errors import StorageError
from storage_backends.objects.pages import Way, size_told
from storage_backends.registry import open_storage
from tests.servers.cloud import AZURITE_KEY
from tests.support import listings
from tests.support.http_proxy import Answer, HttpProxy

KINDS = {
    "s3": (listings.s3, "s3://bucket/p?region=x&endpoint_url=http://127.0.0.1:{}"),
    "gcs": (listings.gcs, "gs://bucket/p?endpoint_url=http://127.0.0.1:{}"),
    "azure": (listings.azure, "azure://account1/container/p?endpoint_url=http://127.0.0.1:{}/account1"),
}
MANY = 60
"""Requests after which a listing counts as one without end."""
NO_SIZES = ["x", "", "-4", "1.5", "9" * 19, "9" * 5000]
FLAT = Answer(200, {"x-ms-is-hns-enabled": "false", "x-ms-account-kind": "StorageV2", "x-ms-sku-name": "x"})


@pytest.fixture
def proxy():
    with HttpProxy(1) as proxy:
        yield proxy


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=["by our own requests", "by the SDK"])
def listed(request, kind, proxy, monkeypatch):
    """What is listed at a server with these pages: token → sizes, the next token and what else there is to say."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AZURE_STORAGE_KEY", AZURITE_KEY)
    if request.param == "by the SDK":
        for each in ("s3.shorter", "gcs.client", "azure.client"):
            monkeypatch.setattr(f"storage_backends.{each}.pool", lambda *_: None)
    page, url = KINDS[kind]

    def answer(asked, pages):
        query = dict(parse_qsl(urlsplit(asked.target).query))
        tokens = [query[name] for name in ("continuation-token", "pageToken", "marker") if name in query]
        if query.get("comp") == "properties":
            return FLAT
        return page(*pages["".join(tokens)]) if len(proxy.asked) < MANY else page({"p/z": "the end of this test"})

    def listed(pages):
        proxy.answers = lambda asked: answer(asked, pages)
        with closing(open_storage(url.format(proxy.port))) as storage:
            return [info.path for info in storage.list_files()]

    return listed


def test_what_is_made_up_here_is_understood(listed):
    pages = {"": ({"p/a": "1"}, "more"), "more": ({}, "and more"), "and more": ({"p/b": "2"},)}
    assert listed(pages) == [b"a", b"b"]


@pytest.mark.parametrize("size", NO_SIZES)
def test_a_size_that_is_none_is_an_error_of_the_storage(listed, size):
    with pytest.raises(StorageError, match=r"as its size; look at|is not understood"):
        listed({"": ({"p/a": size},)})


@pytest.mark.parametrize("sizes", [{}, {"p/a/": "0"}], ids=["empty", "a folder"])
def test_a_page_that_leads_back_to_itself_is_not_asked_for_without_end(listed, proxy, sizes):
    with pytest.raises(StorageError, match=r"from page to page and never ends|in an order that nobody"):
        listed({"": (sizes, "again"), "again": (sizes, "again")})
    assert len(proxy.asked) <= 5


@pytest.mark.parametrize("names", [("p/a", "p/b"), ("p/a/", "p/b/"), ("p/x\U00010000a", "p/x\U00010000b")], ids=ascii)
def test_two_pages_that_lead_to_each_other_are_not_asked_for_without_end(listed, proxy, names):
    """Each of them ends with another key than the one before it."""
    one, other = ({name: "0"} for name in names)
    pages = {"": (one, "other"), "other": (other, "one"), "one": (one, "other")}
    with pytest.raises(StorageError, match=r"from page to page and never ends|in an order that nobody"):
        listed(pages)
    assert len(proxy.asked) <= 6


@pytest.mark.parametrize("version", ["", "<Etag/>", "<ETag></ETag>", "generation", "metageneration"])
def test_an_object_without_a_version_is_an_error_of_the_storage(listed, version):
    """Taken for one, it would mean that nothing stands there."""
    with pytest.raises(StorageError, match="'p/a': the storage tells no version of it"):
        listed({"": ({"p/a": "1"}, "", version)})


@pytest.mark.parametrize("told", [*NO_SIZES, "1_0", "٤", None])
def test_what_is_no_whole_number_is_no_size(told):
    with pytest.raises(StorageError, match="as its size"):
        size_told("k", told)


@pytest.mark.parametrize("told", ["0", "4", "9" * 18, 12])
def test_a_size_is_a_whole_number(told):
    assert size_told("k", told) == int(told)


def test_pages_that_lead_round_in_a_circle_are_an_error_and_many_empty_ones_are_none():
    way = Way("bucket b")
    for number in range(5000):
        assert way.onward(f"t{number}", "") == f"t{number}"
    for token in ("t1", "t2"):
        way.onward(token, f"key {token}")  # something new came, so the way may begin anew
    with pytest.raises(StorageError, match="bucket b"):
        way.onward("t2", "key t2")
