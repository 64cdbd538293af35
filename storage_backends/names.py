"""How a name made of bytes is shown to people."""

from __future__ import annotations

_SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def display_path(path: bytes) -> str:
    """`path` as text that is safe in a log line, a terminal and a table; two different paths never look the same.

    Printable UTF-8 stays as it is. A byte that is not UTF-8 and a control character become ``\\xE9``, any other
    character that does not print (bidi marks, odd spaces, unassigned) ``\\u202E`` or ``\\U000E0001``, a backslash
    ``\\\\``. The text is for reading only and is never parsed back.
    """
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_display_character, text))


def printable(text: str) -> str:
    """Text of others that goes into a line of ours: what does not print is escaped, a backslash stays what it is."""
    if text.isprintable():
        return text
    return "".join(character if character == "\\" else _display_character(character) for character in text)


def _display_character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02X}"
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
