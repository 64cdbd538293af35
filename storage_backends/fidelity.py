"""What a sink can't keep of what a source has: told before anything is copied, not found out afterwards."""

from __future__ import annotations

from storage_backends.base import Capabilities

_SECOND_NS = 1_000_000_000


def losses(source: Capabilities, sink: Capabilities) -> list[str]:
    """Sentences for people, empty where nothing is lost."""
    lost = []
    if source.has_directories and not sink.has_directories:
        lost.append("Empty directories are not kept, nor are modes and times of directories.")
    if source.has_symlinks and not sink.has_symlinks:
        lost.append("Symbolic links are skipped, each with a reason.")
    if source.names_are_bytes and not sink.names_are_bytes:
        lost.append("Names that are not UTF-8 are refused, each with a reason.")
    if sink.mtime_resolution_ns and sink.mtime_resolution_ns > (source.mtime_resolution_ns or 1):
        lost.append(f"Modification times are cut to {_duration(sink.mtime_resolution_ns)}.")
    if source.mtime_resolution_ns is not None and not sink.sets_attributes:
        lost.append("A file that the sink holds already keeps the time and mode it has there.")
    return lost


def _duration(nanoseconds: int) -> str:
    if nanoseconds >= _SECOND_NS:
        return "whole seconds" if nanoseconds == _SECOND_NS else f"steps of {nanoseconds / _SECOND_NS:g} seconds"
    return f"steps of {nanoseconds:,} ns"
