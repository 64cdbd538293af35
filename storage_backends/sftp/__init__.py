"""Directories of another machine over SSH: `sftp://user@host:port/absolute/directory?key_file=…&known_hosts=…`.

::

    connection.py   one SSH connection, and SFTP requests with many under way at once
    folders.py      no symbolic link on the way: which directories may be entered
    listing.py      a tree in byte order
    reading.py      files and links
    batch.py        many small files, a request of each kind for all of them at a time
    upload.py       one big file through a partial beside it
    storage.py      `SftpStorage`

Protocol version 3, as OpenSSH speaks it: times in whole seconds, no inode numbers, no locks. So a file that is replaced
by one of the same size, second and mode looks the same; a partial is fenced by its name alone, and by being read back.
"""

from storage_backends.sftp.storage import SftpStorage, open_sftp

__all__ = ["SftpStorage", "open_sftp"]
