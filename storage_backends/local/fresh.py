"""Owner, mode and times for files that this process has just made, in as few calls as their folder allows."""

from __future__ import annotations

import os

from storage_backends.base import Attributes
from storage_backends.local import system
from storage_backends.local.attributes import file_mode, permitted_mode
from storage_backends.values import SET_ID_BITS

PRIVATE = 0o600
_WRITABLE_OR_SPECIAL = 0o7022
"""Writable by group or others, setuid, setgid, sticky: given only to what is complete."""


class Fresh:
    """Asks once who we are: a batch makes a thousand files."""

    def __init__(self) -> None:
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._default_mode = file_mode()

    def mode_of(self, attributes: Attributes) -> int:
        """The mode that the finished file shall have: without setuid and setgid unless we are root."""
        if attributes.mode is None:
            return self._default_mode
        return permitted_mode(attributes.mode) if attributes.mode & SET_ID_BITS else attributes.mode

    def first_mode(self, mode: int, attributes: Attributes, folder_gid: int) -> int:
        """The mode to make a file with that ends with `mode`: at once that one, if until then nobody may do more than
        in the end, else 0600. Another owner is given later, and a folder may pass its own group on to what is made."""
        if mode & (_WRITABLE_OR_SPECIAL | PRIVATE) != PRIVATE:
            return PRIVATE
        _, _, uid, gid = attributes
        if self._uid != 0 or uid is None:
            return mode
        is_ours = uid == 0 and folder_gid == self._gid and gid in (None, folder_gid)
        return mode if is_ours else PRIVATE

    def finish(self, fd: int, attributes: Attributes, mode: int) -> os.stat_result:
        """Times, then owner (root only) and then mode, each only if it is not right already; returns the status after
        it. The owner comes before the mode: changing it clears setuid."""
        mtime_ns, _, uid, gid = attributes
        if mtime_ns is not None:
            system.utime(fd, ns=(mtime_ns, mtime_ns))
        status, is_changed = system.fstat(fd), False
        if self._uid == 0 and uid is not None:
            gid = status.st_gid if gid is None else gid
            if uid != status.st_uid or gid != status.st_gid:
                system.fchown(fd, uid, gid)
                is_changed = True
        if status.st_mode & 0o7777 != mode:
            system.fchmod(fd, mode)
            is_changed = True
        return system.fstat(fd) if is_changed else status
