"""A job over two real directories, a scheduler that scans it and a slave that copies, each in a few lines."""

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from jobs import scans, services, transitions
from jobs.models import Finding, Job, Scan, Slave, Task
from jobs.storages import job_root, opened
from jobs.transitions import Claimed
from storage_backends.base import Attributes, Kind, PartialId
from tests.unit.jobs import builders
from transfers.engine.contracts import Identity, Outcome, Result
from transfers.scan.perform import perform
from transfers.slave import settling

MACHINE = "this machine"
LONG_AGO = 1_000_000_000
NOBODY = 65534


class Tree:
    """`/in` and `/out` below the storage `local`, and the job that keeps the one like the other."""

    def __init__(self, root: Path, **options) -> None:
        self.source, self.sink = root / "in", root / "out"
        self.source.mkdir()
        places = {"source_type": "local", "source_path": "/in", "sink_type": "local", "sink_path": "/out"}
        self.job = services.create_job(actor="test", is_due=False, **places, **options)

    def write(self, path: str, text: str = "text", *, side: Path | None = None, mtime: float = LONG_AGO) -> Path:
        """A file, modified long ago."""
        file = (side or self.source) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (mtime, mtime))
        return file

    def scan(self, *, is_preview: bool = False, should_stop=lambda: False, ahead=None) -> Scan:
        """Request, claim and perform a scan."""
        Scan.objects.create(job=self.job, is_preview=is_preview)
        return self.perform(scans.claim("test", MACHINE), should_stop=should_stop, ahead=ahead)

    @staticmethod
    def perform(scan: Scan, *, should_stop=lambda: False, ahead=None) -> Scan:
        perform(scan, MACHINE, should_stop=should_stop, ahead=ahead)
        scan.refresh_from_db()
        return scan

    def copy(self, slave: Slave | None = None) -> int:
        """Do the work that waits, directories last; returns how many tasks."""
        slave = slave or builders.new_slave(machine_id=MACHINE)
        tasks = builders.claim(slave, self.job)
        job = Job.objects.get(pk=self.job.pk)
        for task in sorted(tasks, key=lambda task: (task.kind == "directory", task.path), reverse=False):
            outcome = self._copy_one(task)
            transitions.settle(slave, [settling.settled(job, task, outcome, has_upload=False, begun_at=time.time())])
        return len(tasks)

    def _copy_one(self, task: Claimed) -> Outcome:
        partial = PartialId("00000000", hashlib.sha256(task.path).hexdigest()[:20], task.epoch)
        with opened(job_root(self.job, "source")) as source, opened(job_root(self.job, "sink")) as sink:
            info, data = source.get_file_info(task.path), b""
            if info.kind is Kind.DIRECTORY:
                left = sink.write_directory(task.path, Attributes.of(info))
            else:
                info, data = source.read_whole(task.path, 1 << 20)
                left = sink.write_file(task.path, data, Attributes.of(info), partial)
        digest = b"" if info.kind is Kind.DIRECTORY else hashlib.sha256(data).digest()
        seen, made = (Identity(one.size, one.mtime_ns, one.version) for one in (info, left))
        return Outcome(task.id, task.epoch, Result.COMPLETED, digest, seen, made, info.size, len(data))

    def statuses(self) -> dict[str, str]:
        """Path → status of every task, the job's own directory as `.`."""
        return dict(Task.objects.filter(job=self.job).order_by("path").values_list("path_display", "status"))

    def pending(self) -> set[str]:
        """Paths that wait for a slave."""
        return {path for path, status in self.statuses().items() if status == "pending"}

    def settle_scan(self) -> None:
        """Scan and copy until both sides are the same, so that the next scan finds nothing."""
        self.scan()
        self.copy()


def counts(scan: Scan) -> dict[str, int]:
    """Of what was counted, whatever is not zero."""
    names = ("files_seen", "new", "changed", "unchanged", "compared", "drifted", "skipped", "gone", "errors")
    return {name: value for name in names if (value := getattr(scan, name))}


def look(tree, ahead=None) -> tuple:
    """What a preview of the next scan finds."""
    scan = tree.scan(is_preview=True, ahead=ahead)
    findings = Finding.objects.filter(scan=scan).values_list("verdict", "path_display", "size", "reason_code")
    return scan.error_text, counts(scan), scan.bytes_seen, scan.bytes_to_copy, list(findings)


@contextmanager
def ordinary_folder():
    """A folder outside of pytest's own, which only their owner may enter."""
    path = Path(tempfile.mkdtemp(prefix="syncf-scan-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def locked(directory: Path):
    """Nobody may list `directory`, and this process is an ordinary user meanwhile (root may list anything)."""
    directory.chmod(0)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        directory.chmod(0o755)


def task_writes(queries) -> list[str]:
    """Statements that change task rows."""
    verbs = ("INSERT", "UPDATE", "DELETE")
    statements = [query["sql"].strip() for query in queries.captured_queries]
    return [text for text in statements if text.upper().startswith(verbs) and "jobs_task" in text]
