"""From a job's alias and path to an open storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from django.conf import settings

from jobs.errors import Refusal
from jobs.models import Job
from jobs.paths import parse_path
from jobs.reasons import REASONS
from storage_backends.base import Capabilities, Storage
from storage_backends.errors import StorageError
from storage_backends.registry import open_storage

Side = Literal["source", "sink"]


class Root(NamedTuple):
    """One side of a job: the operator's URL and the job's directory below it."""

    alias: str
    url: str
    path: bytes

    def __repr__(self) -> str:
        return f"Root({self.alias}, {self.path!r})"  # a URL may hold a password


def configured() -> dict[str, str]:
    """Alias → URL, as the operator's environment gives them."""
    urls: dict[str, str] = settings.STORAGES_CONFIGURED
    return urls


def root_of(alias: str, path: str, side: Side) -> Root:
    """Resolve one side; raises Refusal naming `source_type` or `source_path` (or sink)."""
    urls = configured()
    if alias not in urls:
        known = ", ".join(sorted(urls))
        raise Refusal(
            "UNKNOWN_STORAGE",
            f"There is no storage called {alias!r}.",
            field=f"{side}_type",
            hint=f"Configured are: {known}. Another one is added by the operator as STORAGE_{alias.upper()[:20]}=url.",
        )
    return Root(alias, urls[alias], parse_path(path, field=f"{side}_path"))


class Offered(NamedTuple):
    """A storage that jobs can name."""

    alias: str
    kind: str
    """The scheme of its URL: file, s3, …"""
    problem: str
    """Why this installation can't use it as it is configured; empty if it can."""
    capabilities: Capabilities | None
    """None with a problem."""


def offered() -> list[Offered]:
    """All that are configured, by alias. Connects to none of them."""
    return [_offered(alias, url) for alias, url in sorted(configured().items())]


def _offered(alias: str, url: str) -> Offered:
    kind = url.partition(":")[0]
    try:
        with opened(Root(alias, url, b"")) as storage:
            return Offered(alias, kind, "", storage.capabilities)
    except StorageError as error:
        return Offered(alias, kind, f"{error}", None)


def job_root(job: Job, side: Side) -> Root:
    """One side of an existing job."""
    if side == "source":
        return root_of(job.source_type, job.source_path, side)
    return root_of(job.sink_type, job.sink_path, side)


#: What is refused has not begun: nothing goes on by itself, as the files of a job do.
_TRY_AGAIN = {"UNREACHABLE": "Check network and mount, then try again.", "THROTTLED": "Try again in a minute."}


@contextmanager
def blaming(side: Side) -> Iterator[None]:
    """A StorageError inside leaves as a Refusal whose code and field name the side."""
    try:
        yield
    except StorageError as error:
        code = f"{side.upper()}_{error.code}"
        hint = _TRY_AGAIN.get(error.code, REASONS[code].hint)
        raise Refusal(code, f"{side.capitalize()}: {error}.", field=f"{side}_path", hint=hint) from error


@contextmanager
def opened(root: Root, *, create: bool = False) -> Iterator[Storage]:
    """The storage at `root`, closed afterwards."""
    storage = open_storage(root.url, root.path, create=create)
    try:
        yield storage
    finally:
        storage.close()
