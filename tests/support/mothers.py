"""A mother of workers in a process that, like every test's, has threads and much loaded: so she is executed."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from transfers.engine.mother import Mother

PROGRAM = """import socket, sys
from transfers.engine.mother import serve
serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])"""


@contextmanager
def a_mother(*urls: str) -> Iterator[Mother]:
    """One of workers for these storages; ends with the block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", PROGRAM, str(theirs.fileno()), *urls]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    mother = Mother(process.pid, ours)
    try:
        yield mother
    finally:
        mother.close()
        process.returncode = 0  # she has been waited for
    assert not os.path.exists(f"/proc/{process.pid}")
