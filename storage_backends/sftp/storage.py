"""`SftpStorage`: files below a directory of another machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from urllib.parse import unquote

from paramiko import sftp as protocol

from storage_backends.base import (
    Attributes,
    Capabilities,
    Entry,
    FileInfo,
    Kind,
    OpenFile,
    PartialId,
    RootIdentity,
    Storage,
    UploadSession,
    UploadToken,
    WriteBatch,
    check_path,
)
from storage_backends.errors import ConfigurationError, KindConflict, NotFound, NotRegular, StorageError, VersionChanged
from storage_backends.names import display_path
from storage_backends.sftp import partials, upload
from storage_backends.sftp.batch import SftpBatch
from storage_backends.sftp.connecting import Address
from storage_backends.sftp.connection import Connection
from storage_backends.sftp.describing import describe, kind_of, wanted
from storage_backends.sftp.failures import MOST_NAME_BYTES
from storage_backends.sftp.folders import NEW_DIRECTORY, Folders
from storage_backends.sftp.listing import is_empty_folder, walk
from storage_backends.sftp.reading import SftpFile, look
from storage_backends.sftp.small_files import SmallFiles
from storage_backends.url import StorageUrl

CAPABILITIES = Capabilities(
    preferred_part_bytes=2 << 20,
    batch_files=256,
    may_write_parts_in_any_order=True,
    parts_in_flight=3,
    reads_back_before_commit=True,
    has_directories=True,
    has_symlinks=True,
    has_modes=True,
    mtime_resolution_ns=1_000_000_000,
    version_tells_writes=False,
    version_tells_content=False,
    lists_uploads=True,
    max_name_bytes=MOST_NAME_BYTES,
)


def open_sftp(url: StorageUrl, path: bytes, create: bool) -> SftpStorage:
    """Connects when it is first used. Raises ConfigurationError; with `create` also what connecting meets."""
    url.allow_options(("key_file", "known_hosts"))
    login, _, place = url.host.rpartition("@")
    user, _, password = login.partition(":")
    host, colon, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    host = (host if colon else place).strip("[]")
    if not host or (colon and not port.isdecimal()) or not url.path.startswith(b"/"):
        raise ConfigurationError("sftp: write sftp://user@host:port/absolute/directory")
    address = Address(
        host,
        int(port or 22),
        unquote(user) or None,
        unquote(password) or None,
        url.options.get("key_file"),
        url.options.get("known_hosts"),
    )
    return SftpStorage(address, url.path, path, create=create)


class SftpStorage(Storage):
    """The operator's root may be reached over links; nothing below it is."""

    capabilities = CAPABILITIES

    def __init__(self, address: Address, root: bytes, path: bytes, *, create: bool = False) -> None:
        if path:
            path = b"/".join(check_path(path))
        self._connection = Connection(address)
        self._folders = Folders(self._connection, root, path)
        self._small = SmallFiles(self._connection, self._folders)
        if create and path:
            Folders(self._connection, root, b"").make(path)

    def get_storage_type(self) -> str:
        return "sftp"

    def probe(self) -> None:
        is_empty_folder(self._connection, self._folders, b"")

    def root_identity(self) -> RootIdentity:
        """By name, links resolved: over SFTP nothing else tells directories apart."""
        try:
            is_empty = is_empty_folder(self._connection, self._folders, b"")
        except NotFound:
            return RootIdentity(self.location(), self._place, is_empty=True, exists=False)
        return RootIdentity(self.location(), self._place, is_empty=is_empty, exists=True)

    def location(self) -> tuple[str, ...]:
        parts = [display_path(part) for part in self._folders.root.split(b"/") if part]
        above = [self._place + "".join(f"/{part}" for part in parts[:count]) for count in range(len(parts), -1, -1)]
        return tuple(above)

    @property
    def _place(self) -> str:
        address = self._connection.sessions.address
        return f"sftp://{address.host}:{address.port}"

    def list_files(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[Entry]:
        self._folders.forget()
        root = self.location()[0]

        def is_stop(directory: bytes) -> bool:
            return f"{root}/{display_path(directory.removesuffix(b'/'))}" in stop_at if stop_at else False

        return walk(self._connection, self._folders, prune, is_stop)

    def get_file_info(self, path: bytes) -> FileInfo:
        if not path:
            return describe(path, self._connection.lstat(self._folders.root, path))
        return describe(path.removesuffix(b"/"), look(self._connection, self._folders, path))

    def open_file(self, path: bytes) -> OpenFile:
        return SftpFile(self._connection, self._folders, path)

    def prefetch(self, paths: Sequence[bytes], max_bytes: int) -> None:
        self._small.expect(paths, max_bytes)

    def read_whole(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        return self._small.take(path, max_bytes)

    def read_link(self, path: bytes) -> bytes:
        if kind_of(look(self._connection, self._folders, path)) is not Kind.SYMLINK:
            raise NotRegular(f"'{display_path(path)}' is not a symbolic link")
        return self._connection.readlink(self._folders.full(path), path)

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        check_path(path)
        part_bytes = self.capabilities.part_bytes(size)
        return UploadToken("sftp", path, size, part_bytes, source_version, secrets.token_hex(16), attributes)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        self._folders.forget()
        return upload.resume(self._connection, self._folders, token, partial)

    def write_batch(self, *, trusts_server: bool = False) -> WriteBatch:
        self._folders.forget()
        return SftpBatch(self._connection, self._folders)

    def write_directories(self, directories: Sequence[tuple[bytes, Attributes]]) -> list[FileInfo | StorageError]:
        answers: list[FileInfo | StorageError] = []
        for path, attributes in directories:
            try:
                answers.append(self._write_directory(path, attributes))
            except StorageError as error:
                answers.append(error)
        return answers

    def _write_directory(self, path: bytes, attributes: Attributes) -> FileInfo:
        folder = b"/".join(check_path(path)) if path else b""
        full = self._folders.make(folder)
        if attributes.mode is not None or attributes.mtime_ns is not None:
            mode = self._connection.lstat(full, path).st_mode or NEW_DIRECTORY
            self._connection.do(path, protocol.CMD_SETSTAT, full, wanted(attributes, mode & 0o7777))
        return describe(folder, self._connection.lstat(full, path))

    def set_attributes(self, path: bytes, attributes: Attributes, expected: FileInfo) -> FileInfo:
        found = look(self._connection, self._folders, path)
        if describe(path, found).version != expected.version:
            raise VersionChanged(f"'{display_path(path)}' is not what it was; it is looked at again")
        full = self._folders.full(path)
        if kind_of(found) is Kind.FILE:
            mode = (found.st_mode or 0) & 0o7777
            self._connection.do(path, protocol.CMD_SETSTAT, full, wanted(attributes, mode))
        return self.get_file_info(path)

    def discard_partials(self, path: bytes, partial: PartialId) -> int:
        folder, _ = self._folders.split(path)
        try:
            self._folders.enter(folder)
        except (NotFound, KindConflict):
            return 0
        return partials.discard_older(self._connection, self._folders, folder, partial)

    def delete_file(self, path: bytes) -> None:
        folder, full = self._folders.split(path)
        try:
            self._folders.enter(folder)
        except (NotFound, KindConflict):
            return
        partials.remove(self._connection, full)

    def list_uploads(self) -> Iterator[FileInfo]:
        for entry in self.list_files():
            if isinstance(entry, FileInfo) and PartialId.is_reserved(entry.path.rpartition(b"/")[2]):
                yield entry

    def close(self) -> None:
        self._connection.close()
