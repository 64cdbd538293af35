"""A listing asks for a page when the one before is used up: a bucket of any size takes the memory of a page."""

from contextlib import closing, nullcontext
from functools import partial as bound
from urllib.parse import urlsplit

import pytest

from storage_backends.registry import open_storage
from tests.conformance.storage.places import put
from tests.support.http_proxy import HttpProxy
from transfers.scan import lister

FILES, PAGE = 12, 3
IS_LISTING = {"s3": "list-type=2", "gcs": "/o?", "azure": "comp=list"}


@pytest.fixture(params=IS_LISTING)
def service(request):
    return request.param


@pytest.fixture
def proxy(request, service):
    if service == "gcs":
        with HttpProxy(urlsplit(request.getfixturevalue("strict_gcs").url).port) as proxy:
            yield proxy
    else:
        yield request.getfixturevalue(f"{service}_proxy")


@pytest.fixture
def storage(request, service, proxy, monkeypatch):
    """Of twelve files, three on a page."""
    url = request.getfixturevalue(f"{service}_url")
    if service == "gcs":
        url = url.replace(request.getfixturevalue("strict_gcs").url, f"http://127.0.0.1:{proxy.port}")
    with closing(open_storage(url)) as storage:
        if service == "s3":
            page = storage.client.shorter.page
            monkeypatch.setattr(storage.client.shorter, "page", lambda prefix, token: page(prefix, token, PAGE))
        if service == "azure":
            monkeypatch.setattr(storage.client, "_listed", bound(storage.client._listed, most=PAGE))
        for number in range(FILES):
            put(storage, b"d/f%02d" % number)
        yield storage


def test_a_lister_asks_for_pages_and_nothing_else(proxy, storage, monkeypatch):
    """Far away, a look at the root before it would cost as much as a page."""
    monkeypatch.setattr(lister.registry, "open_storage", lambda url, path: storage)
    monkeypatch.setattr(lister, "closing", nullcontext)
    assert list(storage.list_chunks())  # what has to be known once is known
    proxy.asked.clear()
    location, *messages = lister.answers("", lister.Request(b"", "", ()))
    assert location == storage.location() and sum(len(names) for names, *_ in messages) == FILES
    assert len(proxy.asked) == FILES // PAGE


def test_pages_are_asked_for_one_after_the_other_as_they_are_used_up(service, storage, proxy):
    proxy.asked.clear()
    listed = storage.list_files()
    asked = []
    for _ in range(FILES):
        next(listed)
        asked.append(sum(IS_LISTING[service] in each.target for each in proxy.asked))
    first = asked[0]
    assert asked == [first + number // PAGE for number in range(FILES)]
    assert next(listed, None) is None
