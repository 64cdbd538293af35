"""What was found, and how it is looked for without waiting for ever."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

Answer = TypeVar("Answer")


class Level(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but somebody should know."""
    ERROR = "error"
    """Something does not work until somebody acts."""


class Finding(NamedTuple):
    """One line of the report."""

    level: Level
    topic: str
    """settings, database, broker, storage ALIAS, …"""
    text: str
    todo: str = ""
    """What to do about it; empty where nothing needs to be done."""


Check = Callable[[], Iterator[Finding]]


def ok(topic: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, topic, text)


def warning(topic: str, text: str, todo: str) -> Finding:
    """Worth knowing."""
    return Finding(Level.WARNING, topic, text, todo)


def error(topic: str, text: str, todo: str) -> Finding:
    """Trouble."""
    return Finding(Level.ERROR, topic, text, todo)


def within(seconds: float, action: Callable[[], Answer]) -> Answer:
    """What `action` returns or raises; TimeoutError if that takes longer. Its thread is left behind: a dead network
    mount can't be called off. It must not use Django's database."""
    future: Future[Answer] = Future()

    def act() -> None:
        try:
            future.set_result(action())
        except BaseException as problem:
            future.set_exception(problem)

    threading.Thread(target=act, daemon=True).start()
    return future.result(timeout=seconds)
