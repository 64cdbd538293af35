"""Taking up the upload of a large file: its folder, and its partial from an earlier attempt or a new one."""

from __future__ import annotations

import os

from storage_backends.base import AlreadyCommitted, FileInfo, PartialId, UploadToken
from storage_backends.errors import NotFound, UploadGone
from storage_backends.local import partials, system
from storage_backends.local.attributes import describe, directory_mode
from storage_backends.local.beneath import split_path
from storage_backends.local.directories import PRIVATE, open_for_writing, refuse_directory, sync_directory
from storage_backends.local.failures import failure, show
from storage_backends.local.spelling import Directories
from storage_backends.local.upload import LocalUpload, is_as_prepared


def resume(root: int, token: UploadToken, partial: PartialId) -> LocalUpload:
    """See `Storage.resume_upload`.

    `token.state` has `inode` once a session was opened and `mtime_ns` once one was prepared. A token without `inode`
    is fresh: whatever older epochs left is of no use to it and is removed. Directories are made only for a fresh one:
    where they are missing, so is the partial.
    """
    folder, name = split_path(token.path)
    directory = _open_folder(root, folder, token)
    try:
        refuse_directory(directory, name, token.path)
        return LocalUpload(root, directory, _partial(directory, name, token, partial), token, partial)
    except OSError as error:
        os.close(directory)
        raise failure(error, token.path) from error
    except BaseException:
        os.close(directory)
        raise


def _open_folder(root: int, folder: bytes, token: UploadToken) -> int:
    if "inode" in token.state:
        try:
            return open_for_writing(root, folder, [], None)
        except NotFound as error:
            raise _gone(token) from error
    made: list[bytes] = []
    directory = open_for_writing(root, folder, made, directory_mode() if token.attributes.mode is None else PRIVATE)
    try:
        Directories(root).check(folder)
        for path in made:
            sync_directory(root, path)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _gone(token: UploadToken) -> UploadGone:
    return UploadGone(f"the partial of {show(token.path)} is gone; the upload begins again")


def _partial(directory: int, name: bytes, token: UploadToken, partial: PartialId) -> int:
    if "inode" not in token.state:
        return partials.create(directory, partial)
    fd = partials.take_over(directory, partial)
    if fd is not None:
        return fd
    info = _committed(directory, name, token)
    if info is not None:
        raise AlreadyCommitted(info)
    raise _gone(token)


def _committed(directory: int, name: bytes, token: UploadToken) -> FileInfo | None:
    """What stands at `name` if it is the very inode that was prepared, as it was prepared.

    Inode numbers are used again, so the caller reads the file back before it believes that this is its content.
    """
    try:
        status = system.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return describe(token.path, status) if is_as_prepared(status, token) else None
