"""Azure Blob Storage: URLs, credentials, plans, names, the order of listings, what errors mean. Nobody is asked."""

import base64
import random
import sys

import pytest
import requests
from azure.core import exceptions as azure_core
from azure.core.credentials import AzureSasCredential
from azure.core.pipeline.transport import HttpRequest, RequestsTransportResponse
from azure.storage.blob._shared.authentication import AzureSigningError
from azure.storage.blob._shared.response_handlers import process_storage_error

from storage_backends import errors
from storage_backends.azure import listing
from storage_backends.azure.credentials import Key, Sas
from storage_backends.azure.failures import asking, failure
from storage_backends.azure.listing import ascending
from storage_backends.azure.opening import VARIABLES
from storage_backends.azure.storage import CAPABILITIES
from storage_backends.azure.transport import CONNECT_SECONDS, READ_SECONDS, without_signature
from storage_backends.base import Attributes, PartialId
from storage_backends.errors import BadCredentials, BadPath, ConfigurationError, FileTooBig, NameTooLong
from storage_backends.objects.client import Stored
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.registry import open_storage

EMULATOR = "?endpoint_url=http://127.0.0.1:1/account1"
KEY = base64.b64encode(b"a secret of 24 bytes, no").decode()
SAS = "sv=2026-01-01&sr=c&sp=rwdl&sig=SECRET%2Bsignature%3D"
WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A key, and nothing else of this machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)


@pytest.fixture
def opened():
    """Opens storages and closes them afterwards."""
    storages = []

    def opened(url, path=b""):
        storages.append(open_storage(url, path))
        return storages[-1]

    yield opened
    for storage in storages:
        storage.close()


@pytest.fixture
def storage(opened):
    return opened(f"azure://account1/container/team{EMULATOR}", b"job")


# ── URLs ──────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── credentials ───────────────────────────────────────────────────────────────────────────────────────────────


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


def test_time_outs_and_connections_are_set(storage):
    transport = storage.client._api._pipeline._transport
    assert (transport.connection_config.timeout, transport.connection_config.read_timeout) == (
        CONNECT_SECONDS,
        READ_SECONDS,
    )
    adapter = transport.session.get_adapter("https://account1.blob.core.windows.net")
    assert adapter._pool_maxsize >= REQUESTS_IN_FLIGHT + CAPABILITIES.parts_in_flight


# ── plans and names ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("size", "part_bytes"),
    [
        (0, 8 << 20),
        (8 << 20, 8 << 20),
        (50_000 * (8 << 20), 8 << 20),
        (50_000 * (8 << 20) + 1, (8 << 20) + 1),
        (5 << 40, -(-(5 << 40) // 50_000)),
        (50_000 * (4000 << 20), 4000 << 20),
    ],
)
def test_parts_are_as_large_as_they_must_be(size, part_bytes):
    assert CAPABILITIES.part_bytes(size) == part_bytes
    assert -(-size // part_bytes) <= 50_000


def test_a_file_beyond_the_services_limit_is_refused(storage):
    size = 50_000 * (4000 << 20) + 1
    with pytest.raises(FileTooBig):
        storage.begin_upload(b"f", size=size, attributes=Attributes(), source_version="v", partial=WHO)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"a\\b", "backslash"),
        (b"a/b./c", "dot"),
        (b"...", "dot"),
        (b"a\nb", "control character"),
        (b"a\x7f", "control character"),
        ("a\x85".encode(), "control character"),
        ("a\uffff".encode(), "control character"),
        (b"a\xff", "not UTF-8"),
        (b"a/" * 252 + b"b", "folders"),
        (b"../other", "canonical"),
    ],
)
def test_a_name_that_a_blob_can_not_have_is_refused(storage, path, reason):
    with pytest.raises(BadPath, match=reason):
        storage.key(path)


def test_keys_stay_below_their_prefix(storage):
    assert storage.key(b"d/.f g?&#%") == "team/job/d/.f g?&#%"


@pytest.mark.parametrize("character", ["a", "é", "語", "😀"])
def test_a_key_has_up_to_1024_characters_in_utf_16(storage, character):
    room = 1024 - len("team/job/")
    units = len(character.encode("utf-16-le")) // 2
    assert storage.key((character * (room // units)).encode())
    with pytest.raises(NameTooLong):
        storage.key((character * (room // units + 1)).encode())


# ── the order of listings ─────────────────────────────────────────────────────────────────────────────────────


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


# ── what errors mean ──────────────────────────────────────────────────────────────────────────────────────────


def answered(status, code="", **headers):
    """The exception that the SDK raises for such an answer."""
    response = requests.Response()
    response.status_code, response.reason = status, "Reason"
    response.headers.update({"x-ms-error-code": code, **headers} if code else headers)
    response._content = b""
    request = HttpRequest("PUT", f"https://account1.blob.core.windows.net/c/f?{SAS}")
    wrapped = RequestsTransportResponse(request, response)
    try:
        process_storage_error(azure_core.HttpResponseError(response=wrapped))
    except azure_core.HttpResponseError as error:
        return error


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "BlobNotFound", errors.NotFound),
        (404, "", errors.NotFound),
        (404, "ContainerNotFound", errors.ConfigurationError),
        (409, "ContainerBeingDeleted", errors.ConfigurationError),
        (409, "BlobAlreadyExists", errors.PreconditionFailed),
        (412, "ConditionNotMet", errors.PreconditionFailed),
        (412, "", errors.PreconditionFailed),
        (412, "LeaseIdMissing", errors.PreconditionFailed),
        (400, "InvalidBlockList", errors.UploadGone),
        (400, "InvalidBlobOrBlock", errors.PreconditionFailed),
        (409, "InvalidBlobType", errors.KindConflict),
        (409, "ResourceTypeMismatch", errors.KindConflict),
        (400, "Md5Mismatch", errors.ChecksumMismatch),
        (403, "AuthenticationFailed", errors.BadCredentials),
        (401, "NoAuthenticationInformation", errors.BadCredentials),
        (401, "", errors.BadCredentials),
        (403, "AuthorizationPermissionMismatch", errors.PermissionDenied),
        (403, "AuthorizationFailure", errors.PermissionDenied),
        (403, "", errors.PermissionDenied),
        (409, "BlobArchived", errors.PermissionDenied),
        (409, "BlobImmutableDueToPolicy", errors.PermissionDenied),
        (503, "ServerBusy", errors.Throttled),
        (503, "", errors.Throttled),
        (429, "TooManyRequests", errors.Throttled),
        (500, "InternalError", errors.Unreachable),
        (500, "OperationTimedOut", errors.Unreachable),
        (502, "", errors.Unreachable),
        (599, "Unheard", errors.Unreachable),
        (413, "RequestBodyTooLarge", errors.FileTooBig),
        (400, "InvalidResourceName", errors.BadPath),
        (400, "Unheard", errors.StorageError),
    ],
)
def test_an_answer_of_the_service_is_one_of_our_errors(status, code, kind):
    found = failure(answered(status, code), "container", "d/f")
    assert type(found) is kind
    assert "'d/f' in the container 'container'" in str(found)
    assert str(code or status) in str(found)
    assert "SECRET" not in str(found)


def test_only_busy_services_say_for_how_long():
    assert failure(answered(503, "ServerBusy", **{"Retry-After": "7"}), "c").retry_after_seconds == 7
    assert failure(answered(429, **{"Retry-After": "1000000"}), "c").retry_after_seconds == 3600
    assert failure(answered(503, **{"Retry-After": "Fri, 31 Dec 9999 02:00:00 GMT"}), "c").retry_after_seconds == 3600
    assert failure(answered(503), "c").retry_after_seconds is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (azure_core.ServiceRequestError("no connection"), errors.Unreachable),
        (azure_core.ServiceResponseError("cut off"), errors.Unreachable),
        (azure_core.ServiceResponseTimeoutError("silence"), errors.Unreachable),
        (azure_core.IncompleteReadError("half"), errors.Unreachable),
        (azure_core.HttpResponseError("gave up reading"), errors.Unreachable),
        (ConnectionResetError(), errors.Unreachable),
        (AzureSigningError("Incorrect padding"), errors.BadCredentials),
        (azure_core.ClientAuthenticationError("no login"), errors.BadCredentials),
        (ValueError("odd"), errors.StorageError),
    ],
)
def test_what_happens_on_the_way_is_one_of_our_errors_with_its_cause(error, kind):
    with pytest.raises(errors.StorageError) as caught, asking("container", "f"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_a_mistake_of_ours_is_not_taken_for_one_of_the_service():
    with pytest.raises(KeyError), asking("container"):
        raise KeyError("x")
    with pytest.raises(errors.VersionChanged), asking("container"):
        raise errors.VersionChanged
