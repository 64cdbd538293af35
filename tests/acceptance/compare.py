"""`python compare.py [--without-root] SOURCE SINK`: are two directories the same, to the last bit that SyncF promises?

An independent witness: nothing of SyncF is imported, and names are bytes throughout. Compared are names, types, bytes
(SHA-256), sizes, permission bits, modification times in nanoseconds of files and directories, and the targets of
symbolic links; empty directories count. FIFOs, sockets and devices are left out on both sides.

Exit code 0: the same. 1: different; every difference is a line on stdout. 2: usage.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Iterator

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


def entries(root: bytes) -> Iterator[tuple[bytes, dict[str, object]]]:
    """(path below the root, what it is), the root itself as b"."; specials are left out."""
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield b".", _describe(root_fd, b".")
        yield from _below(root_fd, b"")
    finally:
        os.close(root_fd)


def _below(directory: int, prefix: bytes) -> Iterator[tuple[bytes, dict[str, object]]]:
    for text in os.listdir(directory):
        name = os.fsencode(text)
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_IFMT(found.st_mode) not in KINDS:
            continue
        yield prefix + name, _describe(directory, name)
        if stat.S_ISDIR(found.st_mode):
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            try:
                yield from _below(below, prefix + name + b"/")
            finally:
                os.close(below)


def _describe(directory: int, name: bytes) -> dict[str, object]:
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    kind = KINDS[stat.S_IFMT(found.st_mode)]
    if kind == "symlink":
        return {"type": kind, "target": os.readlink(name, dir_fd=directory)}
    common = {"type": kind, "mode": oct(stat.S_IMODE(found.st_mode)), "mtime_ns": found.st_mtime_ns}
    if kind == "directory":
        return common
    return {**common, "size": found.st_size, "sha256": _sha256(directory, name)}


def _sha256(directory: int, name: bytes) -> str:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
    with open(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(source: bytes, sink: bytes, *, with_root: bool = True) -> Iterator[str]:
    """One line per path that differs."""
    left, right = dict(entries(source)), dict(entries(sink))
    if not with_root:
        del left[b"."], right[b"."]
    for path in sorted(left.keys() | right.keys()):
        a, b = left.get(path), right.get(path)
        if a is None or b is None:
            yield f"{path!r}: only at the {'sink' if a is None else 'source'}"
        elif a != b:
            what = (f"{name} {a.get(name)!r} != {b.get(name)!r}" for name in a if a.get(name) != b.get(name))
            yield f"{path!r}: {', '.join(what)}"


def main(arguments: list[str]) -> int:
    """Compare and print."""
    with_root = "--without-root" not in arguments
    trees = [os.fsencode(argument) for argument in arguments if argument != "--without-root"]
    if len(trees) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = list(differences(*trees, with_root=with_root))
    print("\n".join(found) or "the same")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
