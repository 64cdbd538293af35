"""The wire form of a hint: ``{"v":1,"tasks":[ids…]}``, UTF-8, at most 64 KiB, parsed strictly."""

from __future__ import annotations

import json
from typing import Any

from transfers.broker.base import Hint
from transfers.broker.errors import MalformedMessage

VERSION = 1
MAX_BYTES = 64 * 1024
CONTENT_TYPE = "application/json"


def encode(hint: Hint) -> bytes:
    """The message for `hint`; raises ValueError if it names too many tasks for one message."""
    body = json.dumps({"v": VERSION, "tasks": hint.task_ids}, separators=(",", ":")).encode()
    if len(body) > MAX_BYTES:
        raise ValueError(f"a hint of {len(hint.task_ids)} tasks does not fit into {MAX_BYTES} bytes")
    return body


def decode(body: bytes) -> Hint:
    """The hint in `body`; raises MalformedMessage, whose text never quotes the body."""
    if len(body) > MAX_BYTES:
        raise MalformedMessage(f"longer than {MAX_BYTES} bytes")
    document = _parse(body)
    if type(document) is not dict or document.keys() != {"v", "tasks"}:
        raise MalformedMessage('not an object with exactly "v" and "tasks"')
    version, tasks = document["v"], document["tasks"]
    if type(version) is not int or version != VERSION:
        raise MalformedMessage(f"not of version {VERSION}")
    if type(tasks) is not list:
        raise MalformedMessage('"tasks" is not a list')
    if not all(type(task) is int for task in tasks):  # type(): True is an instance of int, but no task
        raise MalformedMessage("a task id is not an integer")
    try:
        return Hint(tuple(tasks))
    except ValueError as error:
        raise MalformedMessage(str(error)) from None


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_object_without_duplicates)
    except RecursionError:
        raise MalformedMessage("nested too deeply") from None
    except ValueError:  # bad UTF-8, bad JSON, integers of thousands of digits
        raise MalformedMessage("not JSON in UTF-8") from None


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise MalformedMessage("a key appears twice")
    return dict(pairs)
