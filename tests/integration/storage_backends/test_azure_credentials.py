"""Azure with a key, a SAS token or a connection string: each is enough without the SDK, and none is shown."""

import base64
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import generate_container_sas

from storage_backends import errors
from storage_backends.registry import open_storage
from tests.conformance.storage.places import begin, content, partial, put
from tests.integration.storage_backends.blobs import DATA, finish
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import AZURITE, ensure
from tests.support.http_proxy import Answer

SCRIPT = """
import sys
from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
storage, partial = open_storage(sys.argv[1]), PartialId("0123abcd", "0" * 20, 1)
assert storage.root_identity().is_empty and not list(storage.list_files())
storage.write_file(b"f", b"data", Attributes(mtime_ns=7), partial)
token = storage.begin_upload(b"g", size=4, attributes=Attributes(), source_version="v", partial=partial)
upload = storage.resume_upload(token, partial)
upload.write_part(0, memoryview(b"more"))
upload.prepare(b"s" * 32)
upload.commit()
assert storage.read_whole(b"f", 10)[1] == b"data" and b"".join(storage.read_file(b"g")) == b"more"
assert [(info.path, info.size, info.kept_mtime_ns == 7) for info in storage.list_files()] == [
    (b"f", 4, True), (b"g", 4, False)]
storage.close()
print(sorted({"azure", "requests"} & sys.modules.keys()))
"""


@pytest.fixture
def sas(azure_container, monkeypatch):
    """A token for this container, in the environment instead of the key."""
    monkeypatch.delenv("AZURE_STORAGE_KEY", raising=False)
    until = datetime.now(UTC) + timedelta(hours=1)
    token = generate_container_sas(
        AZURITE_ACCOUNT, azure_container, account_key=AZURITE_KEY, permission="rwdlc", expiry=until
    )
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", token)
    return token


@pytest.mark.parametrize("credential", ["AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"])
def test_what_goes_well_needs_no_sdk(azure_url, sas, credential):
    secret = {"AZURE_STORAGE_KEY": AZURITE_KEY, "AZURE_STORAGE_SAS_TOKEN": sas}[credential]
    environment = {credential: secret, "PATH": ""}
    done = subprocess.run([sys.executable, "-c", SCRIPT, azure_url], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_sas_token_is_enough(azure_url, sas):
    storage = open_storage(azure_url)
    storage.probe()
    session = storage.resume_upload(begin(storage, b"f", DATA, who := partial()), who)
    finish(session)
    assert content(storage, b"f") == DATA
    assert [info.path for info in storage.list_files()] == [b"f"]
    storage.close()


@pytest.mark.parametrize("fault", ["gone", "denied", "busy", "lost"])
def test_a_sas_token_is_shown_nowhere(azure_url, azure_proxy, sas, caplog, fault):
    secret = sas.partition("sig=")[2].partition("&")[0]
    storage = open_storage(azure_url)
    put(storage, b"f")
    assert any(secret in asked.target for asked in azure_proxy.asked)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # as the commands do
    caplog.set_level(logging.INFO)
    match fault:
        case "gone":
            azure_proxy.__exit__()
        case "denied":
            azure_proxy.answers = lambda asked: Answer(403, {"x-ms-error-code": "AuthenticationFailed"})
        case "busy":
            azure_proxy.answers = lambda asked: Answer(503, {})
        case "lost":
            azure_proxy.loses = lambda asked, status: True
    with pytest.raises(errors.StorageError) as caught:
        put(storage, b"g")
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(storage) + repr(storage.client)
    storage.close()
    assert "azure.core.exceptions" in told
    assert secret not in told


def test_a_connection_string_tells_the_endpoint_too(azure_container, azure_proxy, monkeypatch):
    endpoint = ensure(AZURITE)
    monkeypatch.setenv("ARCHIVE", f"AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};BlobEndpoint={endpoint};")
    storage = open_storage(f"azure://{AZURITE_ACCOUNT}/{azure_container}/team?credential=ARCHIVE")
    put(storage, b"f")
    assert [info.path for info in storage.list_files()] == [b"f"]
    storage.close()


def test_a_wrong_key_is_told(azure_url, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", base64.b64encode(b"wrong").decode())
    storage = open_storage(azure_url)
    with pytest.raises((errors.BadCredentials, errors.PermissionDenied), match="Azure says Auth"):
        storage.probe()
    storage.close()
