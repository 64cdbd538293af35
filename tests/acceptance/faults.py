"""What the tests of faults share: big copies under a rate limit, freezing, the kernel's figures, renames at a sink."""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import struct
import subprocess
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import psycopg
import pytest

from tests.acceptance.processes import Process, eventually
from tests.acceptance.product import Product
from tests.support import stack

MIB = 1 << 20
#: Set for the slow variants: 2 GiB where 256 MiB are copied otherwise.
IS_BIG = os.environ.get("SYNCF_TEST_BIG") == "1"
#: For tests of what knows no database and no broker.
one_stack_is_enough = pytest.mark.skipif(stack.is_postgres(), reason="shown on the other stack")
#: What a worker says to its slave counts as written too, besides the file's bytes.
TALK_BYTES = 64 << 10
PARTIAL_PREFIX = ".syncf-"


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def fill(path: Path, size: int) -> None:
    """Make (or rewrite, in place) a file of random bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as file:
        for start in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - start)))


def fill_many(directory: Path, count: int, size: int) -> None:
    """Files f00000, f00001 … of random bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (directory / f"f{number:05}").write_bytes(os.urandom(size))


def sha256(path: Path) -> str:
    """By a program that is not ours."""
    done = subprocess.run(["openssl", "dgst", "-sha256", "-r", path], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def partials(directory: Path) -> list[Path]:
    """Unfinished files anywhere below."""
    return sorted(directory.rglob(f"{PARTIAL_PREFIX}*")) if directory.exists() else []


def assert_same_files(source: Path, sink: Path) -> None:
    """Both hold the same regular files with the same bytes, and nothing else: no partial either."""
    done = subprocess.run(["diff", "--recursive", "--brief", source, sink], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[:2000] + done.stderr[:2000]


# ── one big file ──────────────────────────────────────────────────────────────────────────────────────────────


class BigCopy:
    """A job that copies source/big to sink/big, slowly."""

    def __init__(self, product: Product, *, size: int, bytes_per_second: int) -> None:
        self.product, self.size = product, size
        self.source, self.sink = product.base / "source" / "big", product.base / "sink" / "big"
        fill(self.source, size)
        self.job = product.create_job("source", "sink", bytes_per_second=bytes_per_second)
        product.start_scheduler()

    def wait_for(self, size: int, seconds: float = 60.0) -> None:
        """Until the partial has that many bytes."""
        eventually(lambda: self.held() >= size, seconds, f"{size:,} bytes in the partial", every=0.02)

    def held(self) -> int:
        """Bytes in the partial, as the file system has it; 0 without one."""
        with suppress(FileNotFoundError):
            return sum(path.stat().st_size for path in partials(self.sink.parent))
        return 0

    def hurry(self) -> None:
        """No rate limit from now on."""
        self.product.steer("update_options", self.job, bytes_per_second=None)

    def task(self) -> dict[str, Any]:
        """The file's row."""
        return self.product.rows("SELECT * FROM jobs_task WHERE job_id = %s AND path_display = 'big'", self.job)[0]

    def assert_copied(self) -> None:
        """The sink's bytes are the source's, the row says so, and nothing unfinished is left."""
        digest = sha256(self.source)
        assert sha256(self.sink) == digest
        assert bytes(self.task()["checksum"]).hex() == digest
        assert partials(self.sink.parent) == []
        assert_no_upload_is_remembered(self.product)


def assert_no_upload_is_remembered(product: Product) -> None:
    """Uploads and checkpoints go with the partials."""
    assert product.value("SELECT count(*) FROM jobs_upload") == 0
    assert product.value("SELECT count(*) FROM jobs_checkpoint") == 0


# ── processes ─────────────────────────────────────────────────────────────────────────────────────────────────


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    return _state(pid) not in ("", "Z", "X")


def bytes_written(pid: int) -> int:
    """The kernel's count of what a living process handed to write(2) and its kin."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("wchar: "):
            return int(line.removeprefix("wchar: "))
    raise AssertionError(f"the kernel counts no bytes for process {pid}")


def bytes_sent(slave: Process) -> int:
    """What the workers of a slave have written until now. They must all be the ones it began with."""
    return sum(map(bytes_written, slave.children()))


def open_inodes(slave: Process, prefix: str) -> dict[int, Path]:
    """Inode → path of what the workers of a slave have open below `prefix`."""
    found = {}
    for pid in slave.children():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if (target := os.readlink(link)).startswith(prefix):
                    found[link.stat().st_ino] = Path(target)
    return found


def freeze(product: Product, process: Process) -> None:
    """Stop a process and all below it, outside of any transaction: one that is frozen inside keeps its locks for as
    long as the database lets it, which is not what these tests are about."""
    for _ in range(20):
        pids = process.tree()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda pids=pids: all(_state(pid) == "T" for pid in pids), 5, "everything to stand still")
        if _is_quiet(product):
            return
        thaw(process)
    raise AssertionError("it is always inside of a transaction")


def thaw(process: Process) -> None:
    """Let it go on, workers first: they must know by themselves that their time is over."""
    for pid in reversed(process.tree()):
        os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _is_quiet(product: Product) -> bool:
    """Whether nobody stays inside a transaction."""
    url = product.environment["DATABASE_URL"]
    if url.startswith("sqlite:"):
        return _takes_a_writer(unquote(url.removeprefix("sqlite:///")))
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND clock_timestamp() - xact_start > interval '0.3 s'"
    )
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SELECT pg_sleep(0.4)")
        return connection.execute(query).fetchone() == (0,)


def _takes_a_writer(file: str) -> bool:
    with closing(sqlite3.connect(file, timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


# ── what appears at a sink ────────────────────────────────────────────────────────────────────────────────────


class Arrivals:
    """Counts, by the kernel's own events, how often a real name in one directory came to mean another file. A context
    manager; the directory must be there."""

    _CREATE, _MOVED_TO = 0x100, 0x80
    _HEADER = struct.Struct("iIII")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watch = libc.inotify_add_watch(self._fd, os.fsencode(self._directory), self._CREATE | self._MOVED_TO)
        assert self._fd >= 0 and watch >= 0, os.strerror(ctypes.get_errno())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def counts(self) -> Counter[str]:
        """Name → times, since the beginning."""
        with suppress(BlockingIOError):
            while data := os.read(self._fd, 1 << 16):
                self._take(data)
        return self._counts

    def _take(self, data: bytes) -> None:
        while data:
            _, _, _, length = self._HEADER.unpack_from(data)
            end = self._HEADER.size + length
            name = os.fsdecode(data[self._HEADER.size : end].rstrip(b"\0"))
            self._counts[name] += not name.startswith(PARTIAL_PREFIX)
            data = data[end:]
        self._counts = +self._counts
