"""Whole numbers on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

MAX_WORKERS = 256


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """For argparse's `type`: a number from `low` to `high`, or exit code 2 with a text that says so."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse
