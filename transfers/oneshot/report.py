"""What a one-shot sync tells at its end: numbers, and the name and reason of everything that did not arrive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from jobs import counters, parking
from jobs.models import Finding, Task, TaskKind, Verify
from jobs.states import JobStatus
from jobs.words import human_bytes
from transfers.oneshot.session import Session
from transfers.oneshot.unsynced import failed_tasks, unfinished_tasks

NAMED = 20
_PROOFS = {
    Verify.READBACK: "every copied file was read back and compared",
    Verify.DISK: "every copied file was read back from the device",
    Verify.STORED: "of the sink, what its server verified on arrival was not read back, and everything else was",
}

#: An object store can't tell a prefix that is misspelt from an empty one, nor a disk whether another belongs over it.
_NOTHING_THERE = (
    "No file was found at the source. Should there be any, look for a typing error in its path, mount the disk it is "
    "on, or look at the rules."
)


class Report:
    """The result of a finished (or interrupted) session."""

    def __init__(self, session: Session, seconds: float) -> None:
        self.session = session
        now, before = counters.totals(session.job.pk), session.before
        self._delta = {name: total - before.get(name, 0) for name, total in now.items()}
        is_all_well = session.request.is_dry_run or session.ending.is_all_completed()
        self._wrong = [] if is_all_well else failed_tasks(session.job)
        self._left = 0 if is_all_well else unfinished_tasks(session.job)
        self._seconds = seconds

    @property
    def is_clean(self) -> bool:
        """All completed and verified, and the scan saw everything."""
        scan = self.session.scan
        return not (self._wrong or self._left or scan.errors or scan.error_code or scan.finished_at is None)

    def numbers(self) -> dict[str, object]:
        """`files` = regular files = copied + unchanged + failed."""
        scan = self.session.scan
        copied = self._delta.get("copied", 0)
        failed = sum(task.kind == TaskKind.FILE for task in self._wrong)
        unchanged = self._unchanged(besides=copied + failed)
        return {
            "files": copied + unchanged + failed,
            "copied": copied,
            "unchanged": unchanged,
            "skipped": scan.skipped,
            "failed": failed,
            "bytes_copied": self._delta.get("bytes_copied", 0),
            "bytes_resumed": self._delta.get("bytes_resumed", 0),
            "seconds": round(self._seconds, 3),
            "gone": scan.gone,
            "errors": scan.errors,
            "verify": self.session.job.verify,
            "not_kept": self.session.losses,
            "error": scan.error_code,
            "job_id": str(self.session.job.pk),
            "failures": [_facts(task) for task in self._wrong[:NAMED]],
        }

    def _unchanged(self, *, besides: int) -> int:
        """What an earlier run had left and this one did before the scan came to it is unchanged for the scan, too; so
        never more than the scan has seen `besides` the others."""
        scan = self.session.scan
        unchanged = int(scan.unchanged + self._delta.get("adopted", 0))
        return unchanged if scan.finished_at is None else max(0, min(unchanged, scan.files_seen - besides))

    def plan(self) -> dict[str, object]:
        """Of a dry run: what would be done."""
        scan = self.session.scan
        names = ("new", "changed", "drifted", "compared", "unchanged", "skipped", "gone", "errors")
        counts = {name: getattr(scan, name) for name in names}
        return {"dry_run": True, "files": scan.files_seen, **counts, "bytes_to_copy": scan.bytes_to_copy}

    def write(self, stream: TextIO, *, failures_file: Path) -> None:
        """For people."""
        if self.session.request.is_dry_run:
            self._write_plan(stream)
        elif not self.session.scan.error_code:
            self._write_numbers(stream)
        if self._left:
            left = "file, link or directory is" if self._left == 1 else "files, links or directories are"
            stream.write(f"{self._left:,} {left} left to do{self._why_left()}\n")
        self._write_findings(stream)
        self._write_failures(stream, failures_file)
        if self._is_nothing_there():
            stream.write(f"{_NOTHING_THERE}\n")

    def _is_nothing_there(self) -> bool:
        scan = self.session.scan
        is_whole = scan.finished_at is not None and not (scan.error_code or scan.errors)
        return is_whole and not (scan.files_seen or scan.skipped)

    def _why_left(self) -> str:
        job = self.session.job
        job.refresh_from_db()
        if job.parked_code and job.parked_code != self.session.scan.error_code:
            return f"; {job.parked_code}: {job.parked_text.removesuffix(parking.GOES_ON)}"
        return "." if job.status == JobStatus.RUNNING else f"; the job is {job.status}."

    def _write_numbers(self, stream: TextIO) -> None:
        numbers = self.numbers()
        files = "file" if numbers["files"] == 1 else "files"
        stream.write(
            f"{numbers['files']:,} {files}, "
            + ", ".join(f"{numbers[name]:,} {name}" for name in ("copied", "unchanged", "failed", "skipped"))
            + f"; {human_bytes(float(str(numbers['bytes_copied'])))} sent in {self._seconds:.1f} s"
            + (f"; {_PROOFS[Verify(self.session.job.verify)]}.\n" if numbers["copied"] else ".\n")
        )
        if dropped := self._delta.get("dropped_bits", 0):
            files = "file lost its" if dropped == 1 else "files lost their"
            stream.write(f"{dropped:,} {files} setuid or setgid bit: only root can give those.\n")
        if gone := self.session.scan.gone:
            paths = "path is" if gone == 1 else "paths are"
            stream.write(f"{gone:,} more {paths} gone from the source; at the sink nothing is ever deleted.\n")

    def _write_plan(self, stream: TextIO) -> None:
        plan = self.plan()
        stream.write("Nothing was touched. Would be done:\n")
        for finding in Finding.objects.filter(scan=self.session.scan).exclude(verdict="error")[: Finding.LIMIT]:
            stream.write(f"  {finding.verdict:8} {finding.path_display}\n")
        stream.write(", ".join(f"{name} {value:,}" for name, value in plan.items() if name != "dry_run") + "\n")

    def _write_findings(self, stream: TextIO) -> None:
        scan = self.session.scan
        if scan.error_code:
            stream.write(f"The scan could not be finished: {scan.error_code}: {scan.error_text}\n")
        for finding in Finding.objects.filter(scan=scan, verdict="error")[:NAMED] if scan.errors else ():
            stream.write(f"  not listed: {finding.path_display}: {finding.reason_code}: {finding.reason_text}\n")

    def _write_failures(self, stream: TextIO, failures_file: Path) -> None:
        for task in self._wrong[:NAMED]:
            stream.write(f"  {_line(task)}\n")
        if len(self._wrong) > NAMED:
            stream.write(f"  … and {len(self._wrong) - NAMED:,} more; {self._write_all(failures_file)}\n")

    def _write_all(self, file: Path) -> str:
        try:
            file.write_text("".join(_line(task) + "\n" for task in self._wrong))
        except OSError as error:
            return f"{file}, which was to name all, can't be written ({error.strerror})"
        return f"all are in {file}"

    def json(self) -> str:
        """One line."""
        return json.dumps(self.plan() if self.session.request.is_dry_run else self.numbers())


def _line(task: Task) -> str:
    return f"not copied: {task.path_display}: {task.reason_code}: {task.reason_text}"


def _facts(task: Task) -> dict[str, str]:
    return {"path": task.path_display, "code": task.reason_code, "text": task.reason_text}
