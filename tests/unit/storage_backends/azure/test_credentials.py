"""Where the credential of an Azure storage is found, and that it is shown nowhere."""

import base64
import sys

import pytest
from azure.core.credentials import AzureSasCredential

from storage_backends.azure.credentials import Key, Sas
from storage_backends.azure.transport import without_signature
from storage_backends.errors import BadCredentials, ConfigurationError
from storage_backends.registry import open_storage
from tests.unit.storage_backends.azure.account import EMULATOR, KEY, SAS


def credential(storage):
    return storage.client._credential


def test_a_key_is_taken_from_the_environment(opened):
    assert credential(opened("azure://account1/container")) == Key("account1", KEY)


def test_two_accounts_have_two_variables(opened, monkeypatch):
    other = base64.b64encode(b"other").decode()
    monkeypatch.setenv("OTHER_KEY", f"{other}\n")
    found = opened("azure://account2/container?credential=OTHER_KEY")
    assert credential(found) == Key("account2", other)


@pytest.mark.parametrize("token", [SAS, f"?{SAS}", "sig=SECRET%2Bsignature%3D&sv=1"])
def test_a_sas_token_is_known_from_a_key(opened, monkeypatch, token):
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", token)
    found = credential(opened("azure://account1/container"))
    assert found == Sas("account1", token.removeprefix("?"))
    assert isinstance(found.for_sdk(), AzureSasCredential)


def test_a_key_that_looks_a_little_like_a_token_is_a_key(opened, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", "AAAAAAAAsig=")
    assert credential(opened("azure://account1/container")) == Key("account1", "AAAAAAAAsig=")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (f"AccountName=account1;AccountKey={KEY}", "account1.blob.core.windows.net"),
        (f"accountname=account1; AccountKey={KEY};EndpointSuffix=core.example", "account1.blob.core.example"),
        (f"AccountName=account1;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/account1;", "127.0.0.1:1/account1"),
        (f"BlobEndpoint=https://blobs.example/;SharedAccessSignature={SAS}", "blobs.example"),
    ],
)
def test_a_connection_string_tells_credential_and_endpoint(opened, monkeypatch, text, endpoint):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    found = opened("azure://account1/container")
    assert found.location() == (f"azure://{endpoint}/container",)
    is_sas = "SharedAccessSignature" in text
    assert credential(found) == (Sas("account1", SAS) if is_sas else Key("account1", KEY))


def test_the_endpoint_of_the_url_counts_more_than_the_connection_strings(opened, monkeypatch):
    text = f"AccountName=account1;AccountKey={KEY};BlobEndpoint=https://elsewhere.example"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert opened(f"azure://account1/container{EMULATOR}").location() == ("azure://127.0.0.1:1/account1/container",)


def test_the_connection_string_of_another_account_is_refused(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=account2;AccountKey={KEY}")
    with pytest.raises(ConfigurationError, match="another account than account1; name another variable") as caught:
        open_storage("azure://account1/container")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("text", ["not a key", "AccountName=account1", "AccountName=account1;AccountKey=???"])
def test_what_is_no_credential_is_told_and_not_shown(monkeypatch, text):
    monkeypatch.setenv("OTHER", text)
    with pytest.raises(BadCredentials, match="OTHER holds no connection string, key or SAS token") as caught:
        open_storage("azure://account1/container?credential=OTHER")
    assert text not in str(caught.value)


def test_without_any_azure_identity_is_asked_and_closed(opened, monkeypatch):
    closed = []

    class Login:
        def get_token(self, *scopes, **options):
            raise NotImplementedError

        def close(self):
            closed.append(self)

    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Login)
    storage = opened("azure://account1/container")
    assert isinstance(credential(storage), Login)
    storage.close()
    assert closed == [credential(storage)]
    with pytest.raises(ConfigurationError, match="https only"):
        open_storage(f"azure://account1/container{EMULATOR}")


def test_without_any_and_without_azure_identity_the_variables_are_named(monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(
        ConfigurationError, match="AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS"
    ):
        open_storage("azure://account1/container")


def test_no_secret_is_shown(storage, monkeypatch, opened):
    monkeypatch.setenv("TOKEN", SAS)
    for each in (storage, opened("azure://account1/container?credential=TOKEN")):
        api = each.client._api
        shown = f"{each!r} {each.client!r} {credential(each)!r} {api!r} {each.location()} {api.url}"
        assert KEY not in shown and "SECRET" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("url: /c/b?sv=1&sig=SECRET%3D&se=2 (Caused by x)", "url: /c/b?sv=1&sig=…&se=2 (Caused by x)"),
        ("url: /c/b?sig=SECRET (Caused", "url: /c/b?sig=… (Caused"),
        ("'/c/b?se=2&sig=SECRET'", "'/c/b?se=2&sig=…'"),
        ("nothing=SECRET", "nothing=SECRET"),
    ],
)
def test_signatures_are_taken_out_of_texts(text, shown):
    assert without_signature(text) == shown
