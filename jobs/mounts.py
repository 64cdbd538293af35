"""Which file system a path lies on, as the kernel tells."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

MOUNTINFO = Path("/proc/self/mountinfo")

#: Several machines write these, and what SQLite needs between processes (shared memory, byte-range locks) ends at the
#: machine. 9p is left out: it is also how a sandbox shows its own disk.
NETWORK = frozenset(
    (
        *("afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"),
        *("nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs"),
        *("fuse.beegfs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.ceph", "fuse.ceph-fuse", "fuse.curlftpfs"),
        *("fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.mfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.seaweedfs", "fuse.smbnetfs", "fuse.sshfs"),
    )
)


class Mount(NamedTuple):
    """One line of the kernel's table."""

    point: str
    kind: str
    """ext4, nfs4, fuse.sshfs, …"""

    @property
    def is_network(self) -> bool:
        """Whether other machines may write there."""
        return self.kind in NETWORK


def mount_of(path: str | Path) -> Mount:
    """The file system of `path`, or of its nearest parent that exists; links are followed. Kind "" where the kernel
    does not tell."""
    real = os.path.realpath(path)
    best = Mount("", "")
    for mount in _mounts():
        is_below = real == mount.point or real.startswith(mount.point.rstrip("/") + "/")
        if is_below and len(mount.point) >= len(best.point):  # of two at one point the later covers the earlier
            best = mount
    return best


def _mounts() -> list[Mount]:
    try:
        lines = MOUNTINFO.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [Mount(_unescaped(line.split()[4]), line.partition(" - ")[2].split()[0]) for line in lines]


def _unescaped(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)
