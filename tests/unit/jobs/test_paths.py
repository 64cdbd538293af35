"""A job's path is a plain path below its storage's root, or refused. Nothing is trimmed, decoded or expanded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import Refusal
from jobs.paths import MAX_PATH_BYTES, parse_path
from storage_backends.base import check_path

TAKEN = [
    ("/", b""),
    ("docs", b"docs"),
    ("/docs", b"docs"),
    ("/docs/", b"docs"),
    ("docs/2024/", b"docs/2024"),
    ("/etc/passwd", b"etc/passwd"),
    (" ", b" "),
    (" docs ", b" docs "),
    ("..\\..\\x", b"..\\..\\x"),
    ("%2e%2e/x", b"%2e%2e/x"),
    ("~root/x", b"~root/x"),
    ("C:\\x", b"C:\\x"),
    ("$HOME/`id`", b"$HOME/`id`"),
    ("...", b"..."),
    (".hidden", b".hidden"),
    ("-rf", b"-rf"),
    ("näh/\u202e", "näh/\u202e".encode()),
    ("a\nb", b"a\nb"),
    ("x" * 255, b"x" * 255),
    ("ä" * 127, "ä".encode() * 127),
]
REFUSED = [
    ("", "PATH_EMPTY"),
    ("..", "PATH_NOT_CANONICAL"),
    ("../x", "PATH_NOT_CANONICAL"),
    ("a/../../x", "PATH_NOT_CANONICAL"),
    ("a/..", "PATH_NOT_CANONICAL"),
    ("../base-evil/x", "PATH_NOT_CANONICAL"),
    (".", "PATH_NOT_CANONICAL"),
    ("./a", "PATH_NOT_CANONICAL"),
    ("a/./b", "PATH_NOT_CANONICAL"),
    ("//", "PATH_NOT_CANONICAL"),
    ("//srv", "PATH_NOT_CANONICAL"),
    ("///", "PATH_NOT_CANONICAL"),
    ("a//b", "PATH_NOT_CANONICAL"),
    ("a//", "PATH_NOT_CANONICAL"),
    ("file:///etc", "PATH_NOT_CANONICAL"),
    ("a\0b", "PATH_BAD_CHARACTER"),
    ("\ud800", "PATH_BAD_CHARACTER"),
    ("a/" + "x" * 256, "NAME_TOO_LONG"),
    ("ä" * 128, "NAME_TOO_LONG"),
    ("x/" * 2048, "NAME_TOO_LONG"),
]


@pytest.mark.parametrize(("text", "path"), TAKEN)
def test_a_plain_path_is_taken_literally(text, path):
    assert parse_path(text, field="source_path") == path


@pytest.mark.parametrize(("text", "code"), REFUSED, ids=lambda text: ascii(text)[:20])
def test_everything_else_is_refused_naming_the_field(text, code):
    with pytest.raises(Refusal) as refused:
        parse_path(text, field="sink_path")
    assert (refused.value.code, refused.value.field, refused.value.status) == (code, "sink_path", 400)


@given(st.text(st.sampled_from("./a\0\ud800\\é~"), max_size=12))
def test_no_text_becomes_a_path_that_a_storage_would_refuse(text):
    try:
        path = parse_path(text, field="source_path")
    except Refusal:
        return
    assert path == b"" or b"/".join(check_path(path)) == path
    assert len(path) <= MAX_PATH_BYTES
