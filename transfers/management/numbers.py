"""Whole numbers on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

MAX_WORKERS = 256


def whole_number(most: int) -> Callable[[str], int]:
    """For argparse's `type`: a number from 1 to `most`, or exit code 2 with a text that says so."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return parse
