"""Bytes on their way into a channel, many packets at a time."""

from __future__ import annotations

from collections.abc import Iterable

from paramiko import Channel

from storage_backends.sftp.channel_data import DATA_BYTES, Outgoing

AT_ONCE_BYTES = 384 << 10
_HEAD_BYTES = 64
"""paramiko leaves so much of the largest packet to what stands around the data."""


def send_all(channel: Channel, fields: Iterable[bytes | memoryview]) -> None:
    """As `Channel.sendall` of all of these, which sends packet by packet. Raises OSError, SSHException."""
    most = min(DATA_BYTES, channel.out_max_packet_size - _HEAD_BYTES)
    outgoing = Outgoing(channel.remote_chanid, fields, most)
    while outgoing.left:
        outgoing.allowed = _take_window(channel, min(outgoing.left, AT_ONCE_BYTES))
        channel.transport._send_user_message(outgoing)  # type: ignore[union-attr]  # as `Channel.send`


def _take_window(channel: Channel, wanted: int) -> int:
    """Wait until the server takes anything; how much of `wanted` may be sent now."""
    with channel.lock:
        count: int = channel._wait_for_send_window(wanted)  # type: ignore[attr-defined]
        if not count:
            raise OSError("the channel is closed")
        more = min(wanted - count, channel.out_window_size)
        channel.out_window_size -= more
    return count + more
