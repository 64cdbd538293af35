"""Where a service of one's own answers, as the operator writes it."""

import base64

import pytest

from storage_backends import errors
from storage_backends.registry import open_storage

PLACES = {"s3": "s3://bucket", "gs": "gs://bucket", "azure": "azure://account/container"}
WRONG = [
    "http://[bad",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:port",
    "http://127.0.0.1:0",
    "http://a..b",
    f"http://{'a' * 64}.example",
    "http://",
    "ftp://127.0.0.1",
    "http://somebody:password@127.0.0.1",
    "http://127.0.0.1/%3Fa=b",
]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", base64.b64encode(b"key").decode())


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("endpoint", WRONG)
def test_what_is_no_endpoint_is_refused_in_a_line_that_does_not_quote_it(kind, endpoint):
    with pytest.raises(errors.ConfigurationError, match="an endpoint is written https://host") as refused:
        open_storage(f"{PLACES[kind]}?endpoint_url={endpoint}")
    assert "password" not in str(refused.value)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1/", "http://my_host:9000/path", "http://[::1]:1", "http://bücher.example"]
)
def test_an_endpoint_may_have_a_port_and_a_path(kind, endpoint):
    open_storage(f"{PLACES[kind]}?endpoint_url={endpoint}").close()
