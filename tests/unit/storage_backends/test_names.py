"""How names are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_backends.names import display_path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"plain/name.txt", "plain/name.txt"),
        (b" spaces and 'quotes' ", " spaces and 'quotes' "),
        ("größe/日本".encode(), "größe/日本"),
        (b"caf\xe9", "caf\\xE9"),
        (b"a\nb\tc\rd", "a\\nb\\tc\\rd"),
        (b"\x1b[31mred\x7f", "\\x1B[31mred\\x7F"),
        (b"back\\slash", "back\\\\slash"),
        (b"\\xE9", "\\\\xE9"),
        ("\u202egpj.exe".encode(), "\\u202Egpj.exe"),
        ("\u0085\u00a0".encode(), "\\u0085\\u00A0"),
        ("\U000e0001".encode(), "\\U000E0001"),
        (b"\xed\xa0\x80", "\\xED\\xA0\\x80"),
    ],
)
def test_a_name_is_shown_escaped(path, shown):
    assert display_path(path) == shown


@given(st.binary())
def test_what_is_shown_always_prints(path):
    assert display_path(path).isprintable()


def unescape(text: str) -> bytes:
    out, index = b"", 0
    while index < len(text):
        if text[index] != "\\":
            out += text[index].encode()
            index += 1
            continue
        kind = text[index + 1]
        if kind in "\\nrt":
            out += {"\\": b"\\", "n": b"\n", "r": b"\r", "t": b"\t"}[kind]
            index += 2
            continue
        digits = {"x": 2, "u": 4, "U": 8}[kind]
        code = int(text[index + 2 : index + 2 + digits], 16)
        out += bytes([code]) if kind == "x" else chr(code).encode()
        index += 2 + digits
    return out


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_two_names_never_look_the_same(path):
    assert unescape(display_path(path)) == path
