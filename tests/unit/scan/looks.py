"""What a source, a catalogue row and a sink look like, in the words of a scan."""

from jobs.pages import Row
from storage_backends.base import FileInfo, Kind


def at(path: bytes, kind: Kind = Kind.FILE, *, size: int = 10, mtime_ns: int = 5, version: str = "v1") -> FileInfo:
    """One name in a listing."""
    return FileInfo(path, kind, size, mtime_ns, version)


def file(**looks) -> FileInfo:
    return at(b"f", **looks)


def directory(path: bytes = b"d/", **looks) -> FileInfo:
    return at(path, Kind.DIRECTORY, **{"size": 0, **looks})


def row(source: FileInfo, status: str = "completed", *, sink: FileInfo | None = None, **fields) -> Row:
    """What the catalogue knows of `source`, and of `sink` as it was left."""
    values = {"id": 1, "kind": source.kind.value, "path": source.path, "status": status, "size": source.size}
    values |= {"mtime_ns": source.mtime_ns, "version": source.version, "reason_code": "", "is_gone": False}
    values |= {"sink_size": sink.size if sink else None, "sink_mtime_ns": sink.mtime_ns if sink else None}
    values |= {"sink_version": sink.version if sink else "", "compare_first": False}
    return Row(**values | fields)
