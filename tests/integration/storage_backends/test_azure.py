"""Azure Blob Storage when it does what the suite can't ask of every service: loses answers, throttles, has guests."""

import base64
import gzip
import hashlib
import itertools
import logging
import random
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial as bound

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobBlock, ContentSettings, generate_container_sas

from storage_backends import errors
from storage_backends.base import Attributes
from storage_backends.registry import open_storage
from tests.conformance.storage.places import MTIME_NS, PLAIN, begin, content, partial, put, saved, send
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import AZURITE, ensure
from tests.support.azure import azurite_port, storage_url
from tests.support.http_proxy import Answer

DATA = random.Random(1).randbytes((16 << 20) + 12345)
"""Two parts and a bit."""


@pytest.fixture
def upload(azure):
    """An upload of DATA that nothing was sent of yet."""
    session = azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    yield session
    session.close()


def finish(session):
    send(session, DATA)
    session.prepare(b"s" * 32)
    return session.commit()


def once(condition):
    """True the first time that `condition` is."""
    told = itertools.count()
    return lambda *args: condition(*args) and next(told) == 0


def is_block(asked):
    return "comp=block&" in f"{asked.target}&"


def is_commit(asked):
    return "comp=blocklist" in asked.target and asked.method == "PUT"


def is_whole(asked):
    return asked.headers.get("x-ms-blob-type") == "BlockBlob"


def flip(asked):
    return bytes([asked.body[0] ^ 1]) + asked.body[1:] if is_block(asked) or is_whole(asked) else asked.body


# ── uploads ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_whatever_carries_bytes_carries_their_md5(azure, azure_proxy, upload):
    finish(upload)
    put(azure, b"small", b"data")
    carriers = [asked for asked in azure_proxy.asked if is_block(asked) or is_whole(asked)]
    assert len(carriers) == 4
    for asked in carriers:
        assert asked.headers["content-md5"] == base64.b64encode(hashlib.md5(asked.body).digest()).decode()


def test_a_part_that_was_changed_on_its_way_is_not_held(open_azure, azure_proxy, upload):
    azure_proxy.alters = flip
    with pytest.raises(errors.ChecksumMismatch):
        send(upload, DATA, [0])
    assert list(upload.held_parts) == []
    azure_proxy.alters = lambda asked: asked.body
    again = open_azure().resume_upload(saved(upload), partial())
    assert list(again.held_parts) == []


def test_a_small_file_that_was_changed_on_its_way_never_becomes_a_blob(azure, azure_proxy):
    azure_proxy.alters = flip
    with pytest.raises(errors.ChecksumMismatch):
        put(azure, b"f")
    assert not azure.file_exists(b"f")


@pytest.mark.parametrize("lost", [is_block, is_commit])
def test_a_lost_answer_does_not_lose_the_upload(azure, azure_proxy, upload, lost):
    azure_proxy.loses = once(lambda asked, status: lost(asked) and status == 201)
    assert finish(upload) == azure.get_file_info(b"f")
    assert content(azure, b"f") == DATA


def test_a_commit_whose_answers_are_all_lost_is_found_by_the_next_process(azure, open_azure, azure_proxy, upload):
    azure_proxy.loses = lambda asked, status: is_commit(asked)
    assert finish(upload) == azure.get_file_info(b"f")


def test_the_lost_answer_to_a_small_file_is_no_conflict(azure, azure_proxy):
    azure_proxy.loses = once(lambda asked, status: is_whole(asked))
    assert put(azure, b"f") == azure.get_file_info(b"f")


def test_the_digest_of_a_big_file_is_kept_with_it(azure, upload):
    assert finish(upload).sha256 == b"s" * 32
    assert azure.get_file_info(b"f").sha256 == b"s" * 32


def test_a_commit_over_what_somebody_else_wrote_meanwhile_is_refused(azure, upload, stranger):
    send(upload, DATA)
    stranger.get_blob_client("f").upload_blob(b"somebody else's", overwrite=True)
    upload.prepare(b"s" * 32)
    with pytest.raises((errors.PreconditionFailed, errors.UploadGone)):
        upload.commit()
    assert content(azure, b"f") == b"somebody else's"


def test_a_commit_over_metadata_that_somebody_else_changed_meanwhile_is_refused(azure):
    before = put(azure, b"f", b"old")
    session = azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    azure.set_attributes(b"f", Attributes(mtime_ns=MTIME_NS + 1), before)
    with pytest.raises(errors.PreconditionFailed):
        finish(session)
    assert content(azure, b"f") == b"old"


def test_a_blob_that_came_out_with_another_size_is_noticed(azure, azure_proxy, upload):
    def answers(asked):
        if asked.method == "HEAD" and any(map(is_commit, azure_proxy.asked)):
            true = azure_proxy.forward(asked)
            return true._replace(headers={**true.headers, "content-length": "5"})
        return None

    azure_proxy.answers = answers
    with pytest.raises(errors.ChecksumMismatch, match="made 5 bytes"):
        finish(upload)


def test_an_upload_over_whose_name_somebody_else_wrote_begins_again(open_azure, upload, stranger):
    send(upload, DATA, [0])
    stranger.get_blob_client("f").upload_blob(b"somebody else's", overwrite=True)
    with pytest.raises(errors.UploadGone):
        open_azure().resume_upload(saved(upload), partial())


def test_blocks_that_vanished_make_the_upload_begin_again(azure, upload, stranger):
    send(upload, DATA)
    theirs = stranger.get_blob_client("f")
    theirs.commit_block_list([])
    theirs.delete_blob()
    with pytest.raises(errors.UploadGone, match="InvalidBlockList"):
        upload.commit()
    assert not azure.file_exists(b"f")


@pytest.mark.parametrize("block_id", ["i" * 23, "i" * 36, "i" * 64, b"\xff" * 24, b"\xff" * 60])
def test_unfinished_blocks_of_somebody_else_are_no_obstacle_and_not_taken_for_ours(
    azure, open_azure, stranger, block_id
):
    leave_block(stranger.get_blob_client("f"), block_id)
    session = azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    assert list(session.held_parts) == []
    send(session, DATA, [0, 2])
    again = open_azure().resume_upload(saved(session), who)
    assert sorted(again.held_parts) == [0, 2]
    finish(again)
    assert content(azure, b"f") == DATA


def test_unfinished_blocks_with_ids_too_short_for_ours_are_told(azure, stranger):
    leave_block(stranger.get_blob_client("f"), "short")
    with pytest.raises(errors.PreconditionFailed, match="unfinished upload of somebody else"):
        azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)


def test_unfinished_blocks_that_come_later_are_told_too(upload, stranger):
    leave_block(stranger.get_blob_client("f"), "short")
    with pytest.raises(errors.PreconditionFailed, match="unfinished upload of somebody else"):
        send(upload, DATA, [0])


def leave_block(blob, block_id):
    """As an upload of another program that was interrupted. The SDK takes only text."""
    if isinstance(block_id, str):
        blob.stage_block(block_id, b"theirs")
    else:
        blob._client.block_blob.stage_block(base64.b64encode(block_id).decode(), 6, b"theirs")


def test_a_big_file_does_not_replace_what_is_no_block_blob_and_a_small_one_does(azure, stranger):
    stranger.get_blob_client("f").create_append_blob()
    with pytest.raises(errors.KindConflict, match="no block blob"):
        azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    put(azure, b"f", b"small")
    assert content(azure, b"f") == b"small"


# ── whole blobs ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_listing_has_metadata_and_asks_nothing_else(azure, azure_proxy):
    for number in range(10):
        put(azure, b"f%d" % number)
    azure_proxy.asked.clear()
    infos = list(azure.list_files())
    asked = ["comp=list" in asked.target for asked in azure_proxy.asked]
    assert asked == [True, False, True]  # whether there is anything, and the kind of account first
    assert infos == [azure.get_file_info(b"f%d" % number) for number in range(10)]


def test_a_listing_has_pages(azure, azure_proxy, monkeypatch):
    monkeypatch.setattr(azure.client, "_listed", bound(azure.client._listed, most=3))
    paths = [b"f%d" % number for number in range(10)]
    for path in paths:
        put(azure, path)
    azure_proxy.asked.clear()
    assert [info.path for info in azure.list_files()] == paths
    assert len([asked for asked in azure_proxy.asked if "comp=list" in asked.target]) == 1 + 4


@pytest.mark.parametrize("most_kept", [1, 5000])
@pytest.mark.parametrize("is_hierarchical", ["true", "false"])
def test_names_come_in_our_order_and_not_in_the_services(azure, azure_proxy, monkeypatch, most_kept, is_hierarchical):
    monkeypatch.setattr("storage_backends.azure.listing.MOST_KEPT", most_kept)
    headers = {"x-ms-is-hns-enabled": is_hierarchical, "x-ms-account-kind": "StorageV2", "x-ms-sku-name": "x"}
    azure_proxy.answers = lambda asked: Answer(200, headers) if "comp=properties" in asked.target else None
    names = [
        "a",
        "a-",
        "a/x",
        "a/😀",
        "a0",
        "\uff081\uff09",
        "\uff082\uff09",
        "\ufb01",
        "😀",
        "😀/1",
        "😀/\uff08",
        "😀/😀",
        "😁",
        "z",
    ]
    for name in names:
        put(azure, name.encode())
    assert [info.path for info in azure.list_files()] == sorted(name.encode() for name in names)


def test_a_listing_is_right_for_those_who_may_not_ask_for_the_kind_of_account(azure, azure_proxy):
    denied = Answer(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"})

    def answers(asked):
        if "comp=properties" in asked.target:
            return denied
        return folders_first(azure_proxy.forward(asked)) if "comp=list" in asked.target else None

    for name in [b"a", b"a/x", b"a-"]:
        put(azure, name)
    azure_proxy.answers = answers
    assert [info.path for info in azure.list_files()] == [b"a", b"a-", b"a/x"]


def folders_first(answer):
    """The same listing, as an account with a hierarchical namespace orders it."""
    head, *blobs, tail = re.split(rb"(?=<Blob>)|(?=</Blobs>)", answer.body)
    blobs.sort(key=lambda blob: re.search(rb"<Name>(.*?)</Name>", blob)[1].split(b"/"))
    return answer._replace(body=b"".join([head, *blobs, tail]))


def test_folders_of_a_hierarchical_account_are_no_files(azure, stranger):
    for name in ("d", "d/e"):
        stranger.get_blob_client(name).upload_blob(b"", metadata={"Hdi_isfolder": "true"})
    assert azure.root_identity().is_empty
    assert list(azure.list_files()) == []
    assert not azure.file_exists(b"d")
    put(azure, b"d/f")
    assert [info.path for info in azure.list_files()] == [b"d/f"]


def test_blobs_of_other_kinds_are_listed_and_read(azure, stranger):
    appended, paged = stranger.get_blob_client("appended"), stranger.get_blob_client("paged")
    appended.create_append_blob()
    appended.append_block(b"one")
    appended.append_block(b"two")
    paged.create_page_blob(1024)
    paged.upload_page(b"p" * 512, 512, 512)
    assert [(info.path, info.size) for info in azure.list_files()] == [(b"appended", 6), (b"paged", 1024)]
    assert content(azure, b"appended") == b"onetwo"
    assert azure.read_whole(b"paged", 2000)[1] == bytes(512) + b"p" * 512


def test_what_is_not_committed_is_not_listed(azure, upload):
    send(upload, DATA, [0])
    assert list(azure.list_files()) == []
    assert azure.root_identity().is_empty


def test_a_blob_that_is_stored_packed_is_read_as_it_is_stored(azure, stranger):
    packed = gzip.compress(b"hello" * 1000)
    settings = ContentSettings(content_encoding="gzip")
    stranger.get_blob_client("f").upload_blob(packed, content_settings=settings)
    assert content(azure, b"f") == packed
    assert azure.read_whole(b"f", 1000)[1] == packed


def test_a_file_that_is_too_large_is_not_fetched(azure, azure_proxy, monkeypatch):
    put(azure, b"f", DATA)
    fetched = []
    forward = azure_proxy.forward
    monkeypatch.setattr(azure_proxy, "forward", lambda asked: fetched.append(forward(asked)) or fetched[-1])
    with pytest.raises(errors.VersionChanged):
        azure.read_whole(b"f", 1000)
    assert sum(len(answer.body) for answer in fetched) <= 1000 + (4 << 20)


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


@pytest.mark.parametrize("credential", ["AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"])
def test_what_goes_well_needs_no_sdk(azure_url, sas, credential):
    secret = {"AZURE_STORAGE_KEY": AZURITE_KEY, "AZURE_STORAGE_SAS_TOKEN": sas}[credential]
    environment = {credential: secret, "PATH": ""}
    done = subprocess.run([sys.executable, "-c", SCRIPT, azure_url], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


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


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_service_that_fails_for_a_moment_is_asked_again(azure, azure_proxy):
    failures = iter([500, 503])
    azure_proxy.answers = lambda asked: (status := next(failures, None)) and Answer(status, {})
    put(azure, b"f")
    assert content(azure, b"f") == b"data"


def test_a_service_that_is_busy_says_for_how_long_after_a_few_tries(azure, azure_proxy):
    busy = Answer(503, {"x-ms-error-code": "ServerBusy", "Retry-After": "17"})
    azure_proxy.answers = lambda asked: busy
    with pytest.raises(errors.Throttled, match="ServerBusy") as caught:
        put(azure, b"f")
    assert caught.value.retry_after_seconds == 17
    assert len(azure_proxy.asked) == 1 + 4
    assert isinstance(caught.value.__cause__, AzureError)


def test_a_service_that_is_gone_is_unreachable(azure, azure_proxy):
    put(azure, b"f")
    azure_proxy.__exit__()
    for ask in (lambda: azure.get_file_info(b"f"), lambda: list(azure.list_files()), lambda: content(azure, b"f")):
        with pytest.raises(errors.Unreachable):
            ask()


def test_an_answer_that_breaks_off_is_asked_for_again(azure, azure_proxy):
    put(azure, b"f", DATA[:100_000])
    is_cut = once(lambda asked: asked.method == "GET" and "restype" not in asked.target)

    def answers(asked):
        if is_cut(asked):
            true = azure_proxy.forward(asked)
            return true._replace(body=true.body[:1000])
        return None

    azure_proxy.answers = answers
    assert azure.read_whole(b"f", 100_000)[1] == DATA[:100_000]


def test_a_slow_line_is_not_taken_for_a_dead_one(azure_container, azure_url, monkeypatch):
    monkeypatch.setattr("storage_backends.azure.transport.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("storage_backends.azure.client.RETRIES", 0)
    with SlowLine(azurite_port()) as line:
        storage = open_storage(storage_url(azure_container, line.port))
        started = time.monotonic()
        put(storage, b"f", DATA[: 8 << 20])
        assert time.monotonic() - started > 1
        storage.close()


class SlowLine:
    """Forwards 64 KiB at a time to a port, with pauses."""

    def __init__(self, target):
        self._target = target
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self._server.bind(("127.0.0.1", 0))
        self._server.listen()
        self.port = self._server.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._forward, args=(client, server, 0.02), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, 0), daemon=True).start()

    def _forward(self, source, target, pause):
        with suppress(OSError):
            while data := source.recv(64 << 10):
                target.sendall(data)
                time.sleep(pause)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.mark.parametrize("does", ["probe", "list", "write", "upload", "read", "delete"])
def test_a_missing_container_is_a_mistake_of_the_configuration(azure_proxy, azure_url, does):
    storage = open_storage(storage_url("no-such-container", azure_proxy.port))
    acts = {
        "probe": storage.probe,
        "list": lambda: list(storage.list_files()),
        "write": lambda: put(storage, b"f"),
        "upload": lambda: begin(storage, b"f", DATA, partial()),
        "read": lambda: content(storage, b"f"),
        "delete": lambda: storage.delete_file(b"f"),
    }
    with pytest.raises(errors.ConfigurationError, match=r"'no-such-container'.*create the container"):
        acts[does]()
    storage.close()


def test_a_wrong_key_is_told(azure_url, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", base64.b64encode(b"wrong").decode())
    storage = open_storage(azure_url)
    with pytest.raises((errors.BadCredentials, errors.PermissionDenied), match="Azure says Auth"):
        storage.probe()
    storage.close()


# ── credentials ───────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_list_of_no_blocks_makes_an_empty_blob(azure, stranger):
    session = azure.resume_upload(begin(azure, b"f", b"", who := partial()), who)
    session.prepare(hashlib.sha256().digest())
    assert session.commit() == azure.get_file_info(b"f")
    assert stranger.get_blob_client("f").get_block_list("all") == ([], [])


def test_the_blocks_of_two_uploads_to_one_name_never_mix(azure, open_azure):
    other = DATA[::-1]
    first = azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    second = open_azure().resume_upload(begin(azure, b"f", other, who := partial()), who)
    for session, data in ((first, DATA), (second, other)):
        send(session, data, [0, 1])
    assert sorted(open_azure().resume_upload(saved(first), who).held_parts) == [0, 1]
    send(second, other)
    second.prepare(b"s" * 32)
    second.commit()
    assert content(azure, b"f") == other
    with pytest.raises(errors.UploadGone):
        open_azure().resume_upload(saved(first), who)


def test_block_ids_are_of_one_length_whatever_the_number(upload):
    ids = {len(BlobBlock(upload._id(number)).id) for number in (0, 9, 10, 49_999)}
    assert ids == {23}
