"""What the suite needs from a backend, and small helpers its tests share."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from storage_backends.base import Attributes, Capabilities, FileInfo, PartialId, Storage, UploadSession, UploadToken

MTIME_NS = 1_600_000_000_000_000_000
PLAIN = Attributes(mtime_ns=MTIME_NS, mode=0o640)


class Place(ABC):
    """An empty root of one backend. A subclass says how to make one, and how many storages may look at it."""

    scheme: str
    """The registry's name of the backend, for the completeness test."""

    refused_names: frozenset[bytes] = frozenset()
    """Of the suite's odd names those that the service can't hold; each must be refused with BadPath."""

    server_faults: Mapping[str, str] = MappingProxyType({})
    """Part of a test's name → what this very server does wrong that the real service does right."""

    @pytest.fixture(autouse=True)
    def _without_faults_of_the_server(self, request):
        for name, fault in self.server_faults.items():
            if name in request.node.name:
                pytest.skip(f"the server's fault: {fault}")

    @pytest.fixture
    @abstractmethod
    def url(self) -> str:
        """The URL of a root that is empty and this test's own."""

    @pytest.fixture
    def open_place(self, url):
        """Opens one more storage on the root, as another process would."""
        from storage_backends.registry import open_storage

        opened: list[Storage] = []

        def open_place(path: bytes = b"", *, create: bool = False) -> Storage:
            opened.append(open_storage(url, path, create=create))
            return opened[-1]

        yield open_place
        for storage in opened:
            storage.close()

    @pytest.fixture
    def storage(self, open_place) -> Storage:
        return open_place()


def needs(storage: Storage, *questions: str) -> None:
    """Skip unless the capabilities answer every question with yes."""
    for question in questions:
        if not getattr(storage.capabilities, question):
            pytest.skip(f"{storage.get_storage_type()} answers no to {question}")


_digests = itertools.count(1)


def partial(epoch: int = 1, digest: str = "") -> PartialId:
    """A partial of a task of its own unless `digest` says which."""
    return PartialId("0123abcd", digest or f"{next(_digests):020x}", epoch)


def put(storage: Storage, path: bytes, data: bytes = b"data", attributes: Attributes = PLAIN):
    """A published file."""
    return storage.write_file(path, data, attributes, partial())


def identity(info: FileInfo):
    """What listings, look-ups and writes agree on."""
    return info.path, info.kind, info.size, info.mtime_ns, info.version


def kept_time(info: FileInfo) -> int | None:
    """The modification time of the original, wherever the storage keeps it."""
    return Attributes.of(info).mtime_ns


def content(storage: Storage, path: bytes) -> bytes:
    """All of a file."""
    return b"".join(storage.read_file(path))


def small_part(capabilities: Capabilities) -> int:
    """The smallest part size the backend takes that is not silly."""
    multiple = capabilities.part_multiple_bytes
    return -(-max(capabilities.min_part_bytes, 1000) // multiple) * multiple


def begin(storage: Storage, path: bytes, data: bytes, who: PartialId, attributes: Attributes = PLAIN) -> UploadToken:
    """A token for `data`, as the engine gets it back from its journal."""
    token = storage.begin_upload(path, size=len(data), attributes=attributes, source_version="v1", partial=who)
    return UploadToken.from_json(token.to_json())


def saved(session: UploadSession) -> UploadToken:
    """The session's token after its way through the journal."""
    return UploadToken.from_json(session.token.to_json())


def part(token: UploadToken, data: bytes, number: int) -> memoryview:
    """The bytes of part `number`."""
    start = number * token.part_bytes
    return memoryview(data)[start : start + token.part_length(number)]


def send(session: UploadSession, data: bytes, numbers=None) -> None:
    """Write the parts that are not held yet, or just `numbers`."""
    missing = [number for number in range(session.token.part_count) if number not in session.held_parts]
    for number in missing if numbers is None else numbers:
        session.write_part(number, part(session.token, data, number))
