"""What the URL of an Azure storage may say, and which place it means."""

import pytest

from storage_backends.azure.storage import CAPABILITIES
from storage_backends.azure.transport import CONNECT_SECONDS, READ_SECONDS
from storage_backends.errors import BadPath, ConfigurationError
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.registry import open_storage
from tests.unit.storage_backends.azure.account import EMULATOR


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("azure://", "azure://account/container/prefix"),
        ("azure://account1", "azure://account/container/prefix"),
        ("azure:///container", "azure://account/container/prefix"),
        ("azure://account1/Container", "azure://account/container/prefix"),
        ("azure://account1/a--b", "azure://account/container/prefix"),
        ("azure://account1/ab", "azure://account/container/prefix"),
        ("azure://account1//container", "azure://account/container/prefix"),
        ("azure://key:password@account1/container", "credentials stand in the environment"),
        ("azure://account1/container?sas=password", "unknown option 'sas' in the URL; known: credential, endpoint_url"),
        ("azure://account1/container?endpoint_url=localhost:10000", "http://host:port"),
        ("azure://account1/container?endpoint_url=http://me:password@localhost", "http://host:port"),
        ("azure://account1/container?endpoint_url=http://localhost/%3Fsig=password", "http://host:port"),
        ("azure://account1/container?credential=NOT_SET", "NOT_SET, which the storage's URL names, is not set"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason(url, reason):
    with pytest.raises(ConfigurationError) as caught:
        open_storage(url)
    assert reason in str(caught.value)
    assert "password" not in str(caught.value).replace("'sas'", "")


@pytest.mark.parametrize("prefix", ["a/../b", "a./b", "a%5Cb", "a%0Ab", "%E9"])
def test_a_prefix_that_no_blob_can_have_is_refused(prefix):
    with pytest.raises(BadPath):
        open_storage(f"azure://account1/container/{prefix}")


@pytest.mark.parametrize("container", ["abc", "a-b-c", "0" * 63, "$web", "$root"])
def test_names_of_containers_are_known(opened, container):
    assert opened(f"azure://account1/{container}").client.container == container


def test_the_place_is_the_public_endpoint_unless_something_else_is_said(opened):
    place = "azure://account1.blob.core.windows.net/container"
    assert opened("azure://account1/container").location() == (place,)
    assert opened("azure://account1/container/a", b"b").location() == (f"{place}/a/b", f"{place}/a", place)
    assert opened("azure://account1/container?endpoint_url=HTTPS://ACCOUNT1.blob.core.windows.net/").location() == (
        place,
    )
    assert opened(f"azure://account1/container{EMULATOR}").location() == ("azure://127.0.0.1:1/account1/container",)


def test_time_outs_and_connections_are_set(storage):
    transport = storage.client._api._pipeline._transport
    assert (transport.connection_config.timeout, transport.connection_config.read_timeout) == (
        CONNECT_SECONDS,
        READ_SECONDS,
    )
    adapter = transport.session.get_adapter("https://account1.blob.core.windows.net")
    assert adapter._pool_maxsize >= REQUESTS_IN_FLIGHT + CAPABILITIES.parts_in_flight
