"""Uploads to Azure: answers and bytes that are lost or changed on the way, and others who write to the same name."""

import base64
import hashlib

import pytest
from azure.storage.blob import BlobBlock

from storage_backends import errors
from storage_backends.base import Attributes
from tests.conformance.storage.places import MTIME_NS, begin, content, partial, put, saved, send
from tests.integration.storage_backends.blobs import DATA, finish
from tests.support.http_proxy import once


@pytest.fixture
def upload(azure):
    """An upload of DATA that nothing was sent of yet."""
    session = azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    yield session
    session.close()


def is_block(asked):
    return "comp=block&" in f"{asked.target}&"


def is_commit(asked):
    return "comp=blocklist" in asked.target and asked.method == "PUT"


def is_whole(asked):
    return asked.headers.get("x-ms-blob-type") == "BlockBlob"


def flip(asked):
    return bytes([asked.body[0] ^ 1]) + asked.body[1:] if is_block(asked) or is_whole(asked) else asked.body


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


def test_a_list_of_no_blocks_makes_an_empty_blob(azure, stranger):
    session = azure.resume_upload(begin(azure, b"f", b"", who := partial()), who)
    session.prepare(hashlib.sha256().digest())
    assert session.commit() == azure.get_file_info(b"f")
    assert stranger.get_blob_client("f").get_block_list("all") == ([], [])


def test_what_is_not_committed_is_not_listed(azure, upload):
    send(upload, DATA, [0])
    assert list(azure.list_files()) == []
    assert azure.root_identity().is_empty


def test_a_blob_that_came_out_with_another_size_is_noticed(azure, azure_proxy, upload):
    def answers(asked):
        if asked.method == "HEAD" and any(map(is_commit, azure_proxy.asked)):
            true = azure_proxy.forward(asked)
            return true._replace(headers={**true.headers, "content-length": "5"})
        return None

    azure_proxy.answers = answers
    with pytest.raises(errors.ChecksumMismatch, match="made 5 bytes"):
        finish(upload)


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


def test_a_big_file_does_not_replace_what_is_no_block_blob_and_a_small_one_does(azure, stranger):
    stranger.get_blob_client("f").create_append_blob()
    with pytest.raises(errors.KindConflict, match="no block blob"):
        azure.resume_upload(begin(azure, b"f", DATA, who := partial()), who)
    put(azure, b"f", b"small")
    assert content(azure, b"f") == b"small"


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
