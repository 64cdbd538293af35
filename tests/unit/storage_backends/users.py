"""Running a check as an ordinary user, whoever runs the tests."""

import os
import shutil
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def folder_of_nobody():
    """A directory that an ordinary user owns and can reach (pytest's own belong to root alone)."""
    path = Path(tempfile.mkdtemp(prefix="syncf-nobody-"))
    try:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        yield path
    finally:
        os.chmod(path, 0o700)
        for folder, folders, _ in os.walk(path):
            for name in folders:  # before the walk enters them
                os.chmod(os.path.join(folder, name), 0o700)
        shutil.rmtree(path)


def as_nobody(check) -> None:
    """Run `check()` as an ordinary user: in a child process that dropped its rights if we are root."""
    if os.geteuid() != 0:
        check()
        return
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            check()
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        failure = pipe.read().decode()
    os.waitpid(child, 0)
    assert not failure, failure
