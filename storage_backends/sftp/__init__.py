"""Directories of another machine over SSH: `sftp://user@host:port/absolute/directory?key_file=…&known_hosts=…`.

::

    aead.py         one packet of SSH, sealed with AES-GCM
    departing.py    many of them with one `send`
    arriving.py     many of them with one `recv`
    channel_data.py a channel's data that is many packets, on its way out and in
    packetizer.py   all these in the place of paramiko's own
    sending.py      bytes into a channel
    packets.py      requests of SFTP, many under way at once
    inbox.py        their answers
    connecting.py   to whom to connect, and how
    sessions.py     one SSH connection, made when it is needed
    connection.py   what is asked over it, and errors told in our words
    kept.py         those that somebody else may need within two seconds
    failures.py     what goes wrong there, as errors of ours
    describing.py   a server's attributes in our words, and ours in its
    folders.py      no symbolic link on the way: which directories may be entered
    listing.py      a tree in byte order
    ranges.py       bytes of an open file, by requests under way together
    reading.py      one file, read ahead
    small_files.py  many, read in step
    partials.py     who may write one, without locks
    batch.py        many small files, a request of each kind for all of them at a time
    upload.py       one big file through a partial beside it
    storage.py      `SftpStorage`

Protocol version 3, as OpenSSH speaks it: times in whole seconds, no inode numbers, no locks. So a file that is replaced
by one of the same size, second and mode looks the same; a partial is fenced by its name alone, and by being read back.
"""

import sys

# paramiko imports it (with asyncio, YAML and unittest.mock) for commands in configuration files, and does without it
# where it is missing. We read no such file, and it is two fifths of what importing paramiko takes.
_invoke = sys.modules.get("invoke")
sys.modules["invoke"] = None  # type: ignore[assignment]
try:
    from storage_backends.sftp.storage import SftpStorage, open_sftp
finally:
    del sys.modules["invoke"]
    if _invoke is not None:
        sys.modules["invoke"] = _invoke

__all__ = ["SftpStorage", "open_sftp"]
