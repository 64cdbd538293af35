"""The wire form of a hint."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfers.broker.base import MAX_TASK_ID, Hint
from transfers.broker.errors import MalformedMessage
from transfers.broker.messages import MAX_BYTES, decode, encode

FORGED = {
    "nothing": b"",
    "no JSON": b"tasks",
    "not UTF-8": b'{"v":1,"tasks":[1],"\xff":1}',
    "UTF-16": '{"v":1,"tasks":[1]}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"v":1,"tasks":[1]}',
    "a pickle": b"\x80\x04K\x01.",
    "a list": b"[1,2]",
    "null": b"null",
    "no version": b'{"tasks":[1]}',
    "no tasks": b'{"v":1}',
    "another version": b'{"v":2,"tasks":[1]}',
    "a version that is true": b'{"v":true,"tasks":[1]}',
    "a version as text": b'{"v":"1","tasks":[1]}',
    "a version that is a float": b'{"v":1.0,"tasks":[1]}',
    "one key too many": b'{"v":1,"tasks":[1],"path":"/etc"}',
    "a key twice": b'{"v":1,"tasks":[1],"tasks":[2]}',
    "no list": b'{"v":1,"tasks":1}',
    "an empty list": b'{"v":1,"tasks":[]}',
    "true as a task": b'{"v":1,"tasks":[true]}',
    "text as a task": b'{"v":1,"tasks":["1"]}',
    "a float as a task": b'{"v":1,"tasks":[1.0]}',
    "a list as a task": b'{"v":1,"tasks":[[1]]}',
    "zero": b'{"v":1,"tasks":[0]}',
    "a negative task": b'{"v":1,"tasks":[-1]}',
    "a task beyond the database's integers": b'{"v":1,"tasks":[%d]}' % (MAX_TASK_ID + 1),
    "a number of thousands of digits": b'{"v":1,"tasks":[%s]}' % (b"9" * 5000),
    "a task twice": b'{"v":1,"tasks":[1,2,1]}',
    "deep nesting": b"[" * 30_000,
    "too many bytes": b'{"v":1,"tasks":[1]}' + b" " * MAX_BYTES,
    "something behind": b'{"v":1,"tasks":[1]}{}',
}


@given(st.lists(st.integers(1, MAX_TASK_ID), min_size=1, max_size=600, unique=True))
def test_what_was_encoded_decodes_to_the_same_hint(task_ids):
    assert decode(encode(Hint(tuple(task_ids)))) == Hint(tuple(task_ids))


def test_the_message_is_the_documented_json():
    assert encode(Hint((7, 9))) == b'{"v":1,"tasks":[7,9]}'


@pytest.mark.parametrize("body", FORGED.values(), ids=FORGED)
def test_decode_refuses(body):
    with pytest.raises(MalformedMessage):
        decode(body)


@given(
    st.binary(max_size=200)
    | st.recursive(st.integers() | st.booleans() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_decode_raises_nothing_else_whatever_the_body(body):
    with contextlib.suppress(MalformedMessage):
        decode(body)


def test_the_refusal_never_quotes_the_body():
    with pytest.raises(MalformedMessage) as refused:
        decode(b'{"v":1,"tasks":["s3cret"]}')
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_encode_refuses_more_tasks_than_fit_into_one_message():
    with pytest.raises(ValueError, match="does not fit"):
        encode(Hint(tuple(range(1, 20_000))))


@pytest.mark.parametrize("task_ids", [(), (0,), (-1,), (True,), (1, 1), (MAX_TASK_ID + 1,), (1.0,)])
def test_a_hint_names_each_task_once_by_a_valid_id(task_ids):
    with pytest.raises(ValueError):
        Hint(task_ids)
