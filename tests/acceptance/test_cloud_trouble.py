"""A whole sync to clouds that throttle and refuse: attempts are not burnt, and no secret is left anywhere."""

import re
import secrets

import pytest

from tests.acceptance import clouds
from tests.acceptance.planting import plant
from tests.acceptance.syncing import json_of
from tests.servers.cloud import AZURITE_KEY
from tests.support import listings
from tests.support.http_proxy import Answer, HttpProxy

S3_SECRET = f"s3-{secrets.token_hex(16)}"
CLOUDS = ("s3", "gcs", "azure")


@pytest.fixture
def source(tmp_path):
    for number in range(4):
        plant(tmp_path / "source", b"small%d" % number, b"data")
    return tmp_path / "source"


@pytest.fixture
def proxy_of(oneshot, tmp_path):
    """kind → a proxy in front of the storage that the sync is told of."""
    proxies = []

    def proxy_of(kind):
        name = f"STORAGE_{kind.upper()}"
        port = re.search(r"127\.0\.0\.1(?::|%3A)(\d+)", oneshot.environment[name])[1]
        proxies.append(HttpProxy(int(port)).__enter__())
        oneshot.environment[name] = oneshot.environment[name].replace(port, str(proxies[-1].port), 1)
        return proxies[-1]

    with clouds.storages(tmp_path) as variables:
        variables["STORAGE_S3"] = variables["STORAGE_S3"].partition("&profile=")[0]
        keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": S3_SECRET}
        oneshot.environment.update({**variables, **keys})
        yield proxy_of
        for proxy in proxies:
            proxy.__exit__()


def test_throttling_is_waited_for_and_burns_no_attempt(oneshot, source, proxy_of):
    """A file has one attempt here; what the SDK does by itself before it gives up is refused as well."""
    proxy, refused = proxy_of("s3"), []

    def answers(asked):
        if asked.method != "PUT" or len(refused) == 20:
            return None
        refused.append(asked)
        return Answer(503, {"Retry-After": "1"}, b"<Error><Code>SlowDown</Code></Error>")

    proxy.answers = answers
    done = oneshot.run(source, "s3:x", "--json", "--max-attempts", "1")
    assert (done.code, json_of(done)["copied"]) == (0, 4), done.err
    assert len(refused) == 20
    files = [row for row in oneshot.tasks().values() if row["kind"] == "file"]
    assert {(row["attempts"], row["reason_code"]) for row in files} == {(1, "")}


@pytest.mark.parametrize(
    ("kind", "listing"),
    [("s3", ({}, "again")), ("gcs", ({"x/small0": "four"},)), ("azure", ({}, "again"))],
    ids=["no end", "no size", "no end of Azure's"],
)
def test_a_listing_that_cannot_be_true_is_an_error_and_not_an_empty_one(
    oneshot, source, proxy_of, tmp_path, kind, listing
):
    """Neither of the source nor of the sink; nothing is taken for gone, and it goes on where the listing is mended."""
    proxy, sink = proxy_of(kind), tmp_path / "sink"
    there = oneshot.run(source, f"{kind}:x", "--json")
    back = oneshot.run(f"{kind}:x", sink, "--json")
    assert (json_of(there)["copied"], json_of(back)["copied"]) == (4, 4)
    page = getattr(listings, kind)(*listing)
    is_listing = {"s3": "list-type=2", "gcs": "/o?", "azure": "comp=list"}[kind]
    proxy.answers = lambda asked: page if asked.method == "GET" and is_listing in asked.target else None
    for places in ((f"{kind}:x", sink), (source, f"{kind}:x")):
        done = oneshot.run(*places, "--json")
        assert done.code in (1, 2) and "Traceback" not in done.err, done.err
        assert done.err.count("as its size; look at") + done.err.count("never ends") == 1, done.err
        assert not any(row["gone_at"] for row in oneshot.tasks().values())
    proxy.answers = lambda asked: None
    assert json_of(oneshot.run(f"{kind}:x", sink, "--json"))["unchanged"] == 4


@pytest.mark.parametrize("kind", CLOUDS)
def test_no_secret_is_left_anywhere(oneshot, source, proxy_of, kind):
    """Neither after a sync that is refused nor after one that succeeds, at the chattiest log level."""
    plant(source, b"big", bytes(17 << 20))
    oneshot.environment["LOG_LEVEL"] = "DEBUG"
    proxy, kept = proxy_of(kind), []

    def answers(asked):
        if not is_second_part(asked):
            return None
        kept.append(left_behind(oneshot))  # in the middle of an upload, whose token is in the database now
        return Answer(403, {}, b"no")

    proxy.answers = answers
    refused = oneshot.run(source, f"{kind}:x", "--json", "--max-attempts", "1")
    assert refused.code == 1 and kept
    kept.append(left_behind(oneshot))
    proxy.answers = lambda asked: None
    done = oneshot.run(source, f"{kind}:x", "--json")
    assert done.code == 0, done.err
    said = "".join((refused.out, refused.err, done.out, done.err)).encode()
    sessions = {found for asked in proxy.asked for found in re.findall(r"upload_id=([^&]+)", asked.target)}
    assert bool(sessions) is (kind == "gcs")
    for secret in (S3_SECRET, AZURITE_KEY, *sessions):
        assert secret.encode() not in b"".join([said, *kept, left_behind(oneshot)])


def is_second_part(asked):
    is_part = "partNumber=2" in asked.target or "comp=block&" in f"{asked.target}&"
    return is_part or re.match("bytes [1-9]", asked.headers.get("content-range", ""))


def left_behind(oneshot):
    """Databases with their logs, lists of failures."""
    return b"".join(file.read_bytes() for file in oneshot.state.rglob("*") if file.is_file())
