"""Blobs of Azure that are written, read or changed in one request."""

import gzip

import pytest
from azure.storage.blob import ContentSettings

from storage_backends import errors
from storage_backends.base import Attributes
from storage_backends.objects.connection import Connection
from tests.conformance.storage.places import PLAIN, content, partial, put
from tests.integration.storage_backends.blobs import DATA
from tests.support.http_proxy import Answer


def test_a_blob_that_is_stored_packed_is_read_as_it_is_stored(azure, stranger):
    packed = gzip.compress(b"hello" * 1000)
    settings = ContentSettings(content_encoding="gzip")
    stranger.get_blob_client("f").upload_blob(packed, content_settings=settings)
    assert content(azure, b"f") == packed
    assert azure.read_whole(b"f", 1000)[1] == packed


def test_of_a_file_that_is_too_large_no_more_than_the_head_is_read(azure, azure_proxy, monkeypatch):
    """The SDK, which tells what is wrong, asks for a range."""
    put(azure, b"f", DATA)
    azure_proxy.asked.clear()
    bodies = []
    read = Connection.read_body
    monkeypatch.setattr(Connection, "read_body", lambda *told: bodies.append(read(*told)) or bodies[-1])
    with pytest.raises(errors.VersionChanged):
        azure.read_whole(b"f", 1000)
    assert bodies == []
    ours, sdk = azure_proxy.asked
    assert ours.headers["user-agent"] == "syncf"
    assert sdk.headers["x-ms-range"] == f"bytes=0-{(4 << 20) - 1}"


def test_a_small_file_whose_place_is_known_costs_one_request(azure, azure_proxy):
    azure_proxy.asked.clear()
    batch = azure.write_batch(trusts_server=True)
    batch.stage(b"f", b"data", PLAIN, partial(), expected="")
    batch.flush()
    batch.publish({b"f"})
    assert [(asked.method, asked.headers["if-none-match"]) for asked in azure_proxy.asked] == [("PUT", "*")]


def test_attributes_leave_foreign_metadata_alone(azure, stranger):
    blob = stranger.get_blob_client("f")
    blob.upload_blob(b"data", metadata={"My_Colour": "blue", "mtime": "12.5"})
    assert azure.get_file_info(b"f").kept_mtime_ns == 12_500_000_000
    azure.set_attributes(b"f", Attributes(mtime_ns=7), azure.get_file_info(b"f"))
    kept = {name.lower(): value for name, value in blob.get_blob_properties().metadata.items()}
    assert kept == {"my_colour": "blue", "mtime": "12.5", "syncf_mtime_ns": "7"}
    assert azure.get_file_info(b"f").kept_mtime_ns == 7


def test_an_edit_of_metadata_by_somebody_else_is_another_version(azure, stranger):
    before = put(azure, b"f")
    stranger.get_blob_client("f").set_blob_metadata({"colour": "blue"})
    after = azure.get_file_info(b"f")
    assert after.version != before.version
    assert list(azure.list_files()) == [after]
    assert azure.read_whole(b"f", 100) == (after, b"data")


TOTAL = {"Content-Range": f"bytes 0-99/{len(DATA)}"}


@pytest.mark.parametrize("name", [b"plain", b"not plain"], ids=["by ourselves", "the SDK"])
@pytest.mark.parametrize(
    "other",
    [Answer(200, {}, DATA), Answer(206, TOTAL, DATA[:100]), Answer(200, {}, DATA[:100])],
    ids=["whole", "the first", "no range"],
)
def test_another_range_than_was_asked_for_is_refused_in_words(azure, azure_proxy, name, other):
    put(azure, name, DATA)
    with azure.open_file(name) as file:
        azure_proxy.answers = lambda asked: other if "x-ms-range" in asked.headers else None
        with pytest.raises(errors.StorageError, match=f"{name.decode()}.*has to understand the header Range"):
            file.read_into(1 << 20, memoryview(bytearray(100)))
