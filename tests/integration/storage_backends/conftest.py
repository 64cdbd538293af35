"""Buckets and containers of this test's own behind servers that can be told to misbehave."""

from urllib.parse import urlsplit

import pytest

from storage_backends.registry import open_storage
from tests.servers import buckets
from tests.servers.cloud import AZURITE_KEY
from tests.servers.ensure import MOTO, ensure
from tests.support.azure import azurite_port, container_client, new_container, storage_url
from tests.support.gcs import emulator_url, new_bucket
from tests.support.http_proxy import HttpProxy
from tests.support.strict_gcs import StrictGcs
from tests.unit.engine.doubles import Bench, pattern
from transfers.engine.contracts import Place

# ── the engine ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bench(tmp_path, request):
    """Copies to the service that the test's module names in SERVICE."""
    bench = Bench(tmp_path)
    bench.sink = Place(request.getfixturevalue(f"{request.module.SERVICE}_url"), b"prefix")
    yield bench
    bench.storages.close()


@pytest.fixture
def sink(bench):
    """Where it copies to."""
    sink = open_storage(bench.sink.url, bench.sink.path)
    yield sink
    sink.close()


@pytest.fixture
def big(request, bench):
    """Work for a file of as many bytes as the module says in BIG."""
    bench.write("big", pattern(request.module.BIG))
    return bench.work(1, "big")


# ── services ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def strict_gcs():
    with StrictGcs(emulator_url()) as strict:
        yield strict


@pytest.fixture
def gcs_url(strict_gcs):
    return new_bucket(strict_gcs.url)


@pytest.fixture
def open_gcs(gcs_url):
    """Opens one more storage on the bucket, as another process would."""
    opened = []

    def open_gcs():
        opened.append(open_storage(gcs_url))
        return opened[-1]

    yield open_gcs
    for storage in opened:
        storage.close()


@pytest.fixture
def gcs(open_gcs):
    return open_gcs()


@pytest.fixture
def s3_proxy():
    with HttpProxy(urlsplit(ensure(MOTO)).port) as proxy:
        yield proxy


@pytest.fixture
def s3_url(s3_proxy, tmp_path, monkeypatch):
    """A bucket of moto through the proxy, with short pauses between retries."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(buckets.write_s3_profiles(tmp_path / "credentials")))
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with buckets.s3_bucket(MOTO) as url:
        yield url.replace(str(urlsplit(ensure(MOTO)).port), str(s3_proxy.port))


@pytest.fixture
def azure_container():
    """The name of a container of this test's own."""
    with new_container() as name:
        yield name


@pytest.fixture
def azure_proxy():
    with HttpProxy(azurite_port()) as proxy:
        yield proxy


@pytest.fixture
def azure_url(azure_proxy, azure_container, monkeypatch):
    """Through the proxy, with short pauses between retries."""
    monkeypatch.setenv("AZURE_STORAGE_KEY", AZURITE_KEY)
    monkeypatch.setattr("storage_backends.azure.client.RETRY_SECONDS", 0)
    return storage_url(azure_container, azure_proxy.port)


@pytest.fixture
def open_azure(azure_url):
    """Opens one more storage on the container, as another process would."""
    opened = []

    def open_azure():
        opened.append(open_storage(azure_url))
        return opened[-1]

    yield open_azure
    for storage in opened:
        storage.close()


@pytest.fixture
def azure(open_azure):
    return open_azure()


@pytest.fixture
def stranger(azure_container):
    """The container as another program sees it."""
    with container_client(azure_container) as client:
        yield client


@pytest.fixture(params=["s3", "gcs", "azure"])
def service(request):
    """(storage, the proxy before it)"""
    url = request.getfixturevalue(f"{request.param}_url")
    endpoint = urlsplit(url.partition("endpoint_url=")[2].partition("&")[0].replace("%3A", ":").replace("%2F", "/"))
    with HttpProxy(endpoint.port) as proxy:
        storage = open_storage(url.replace(str(endpoint.port), str(proxy.port)))
        yield storage, proxy
        storage.close()
