"""Google Cloud Storage, or what stands before it, when it says what is not so."""

import json

import pytest

from storage_backends import errors
from storage_backends.gcs.storage import PART_BYTES
from tests.conformance.storage.places import content, put
from tests.support.strict_gcs import Answer
from tests.unit.engine.doubles import pattern
from transfers.engine.contracts import Result, Verify

BIG = 2 * PART_BYTES + 12_345
SERVICE = "gcs"
VERSION = {"generation": "1", "metageneration": "1", "updated": "2026-01-01T00:00:00Z"}
NO_OBJECT = {
    "nothing": b"",
    "a page": b"<html>sign in</html>",
    "an object without anything": b"{}",
    "a list": b"[]",
}
LIES = {**NO_OBJECT, "another object": json.dumps({"name": "prefix/big", "size": str(BIG), **VERSION}).encode()}


def said(body, at):
    """200 instead of the true answer, from the how-manieth request to an upload's session on."""
    count = [0]

    def answers(method, target):
        if method != "PUT" or "upload_id" not in target:
            return None
        count[0] += 1
        return Answer(200, {"Content-Type": "application/json"}, body) if count[0] >= at else None

    return answers


def arrives(bench, sink, work):
    """In the end, without any more lies."""
    bench.calm()
    for _ in range(3):
        work = bench.again(work)
        (outcome,) = bench.run(work)
        if outcome.result is Result.COMPLETED:
            return b"".join(sink.read_file(b"big")) == pattern(BIG)
    return False


@pytest.mark.parametrize("verify", [Verify.READBACK, Verify.STORED])
@pytest.mark.parametrize(("what", "at"), [*((what, 4) for what in LIES), ("a list", 1), ("another object", 2)])
def test_an_upload_that_is_said_to_be_finished_and_is_not(bench, sink, strict_gcs, big, what, at, verify):
    strict_gcs.answers, bench.verify = said(LIES[what], at), verify
    (outcome,) = bench.run(big)
    assert outcome.result is Result.RETRY and outcome.reason_code.startswith("SINK_"), outcome
    strict_gcs.answers = lambda method, target: None
    assert arrives(bench, sink, big)


@pytest.mark.parametrize("held", ["bytes=0-99", f"bytes=0-{BIG + 5}", f"bytes=0-{BIG - 12_346}", "bytes=7-9", "?"])
def test_an_upload_that_is_said_to_hold_something_else(bench, sink, strict_gcs, big, held):
    lies = iter([None, Answer(308, {"Range": held}, b"")])
    strict_gcs.answers = lambda method, target: next(lies, None) if method == "PUT" and "upload_id" in target else None
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED or outcome.reason_code.startswith("SINK_"), outcome
    assert arrives(bench, sink, big)


@pytest.mark.parametrize("name", [b"plain", b"not plain"], ids=["by ourselves", "the SDK"])
@pytest.mark.parametrize("what", NO_OBJECT)
def test_an_answer_that_describes_no_object_is_an_error_in_words(gcs, strict_gcs, name, what):
    put(gcs, name)
    strict_gcs.answers = lambda method, target: Answer(200, {"Content-Type": "application/json"}, NO_OBJECT[what])
    asks = [lambda: gcs.get_file_info(name), lambda: put(gcs, name, b"new"), lambda: list(gcs.list_files())]
    for ask in asks[: 2 if NO_OBJECT[what] == b"{}" else 3]:  # which lists nothing, and means it
        with pytest.raises(errors.StorageError):
            ask()
    strict_gcs.answers = lambda method, target: None
    assert content(gcs, name) == b"data"
