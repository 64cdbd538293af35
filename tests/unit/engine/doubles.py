"""Journal and control in memory, and a bench to copy from one directory to another with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from storage_backends.base import Kind, PartialId, Storage
from transfers.engine.contracts import Assignment, LeaseLost, Outcome, Place, Stop, Verify, Work
from transfers.engine.prefetch import Prefetched
from transfers.engine.run import Storages, run

INSTALLATION = "0badcafe"
PART = 4096
BIG = 10 * PART + 77
"""The size of a file of ten parts and a bit."""


class MemoryJournal:
    """Keeps what a database would, in one log that other doubles may write to as well."""

    def __init__(self) -> None:
        self.log: list[tuple] = []
        self.tokens: dict[int, str] = {}
        self.checkpoints: dict[int, dict[int, bytes]] = {}
        self.intents: dict[int, bytes] = {}
        self.calls = 0
        self.lose_at: int | None = None
        """The lease is lost at this call, counted from 1."""
        self.not_ours: set[int] = set()

    def save_token(self, work, token):
        self._call("save_token", work.task_id, bool(token))
        self.tokens[work.task_id] = token
        if not token:
            self.checkpoints.pop(work.task_id, None)

    def checkpoint(self, work, offset, sha256):
        self._call("checkpoint", work.task_id, offset)
        self.checkpoints.setdefault(work.task_id, {})[offset] = sha256

    def intent(self, work, sha256, token):
        self._call("intent", work.task_id)
        self.intents[work.task_id] = sha256
        self.tokens[work.task_id] = token

    def fence(self, works):
        self.calls += 1
        self.log.append(("fence", *(work.task_id for work in works)))
        return set() if self._is_lost() else {work.task_id for work in works} - self.not_ours

    def progress(self, work, bytes_done, bytes_sent):
        self.log.append(("progress", work.task_id, bytes_done))

    def _call(self, *entry):
        self.calls += 1
        if self._is_lost():
            raise LeaseLost
        self.log.append(entry)

    def _is_lost(self) -> bool:
        return self.lose_at is not None and self.calls >= self.lose_at


class MemoryControl:
    """Says `stop_with` from the `stop_at`-th question on; loses the lease at the `lose_at`-th."""

    def __init__(self) -> None:
        self.asked = 0
        self.stop_at: int | None = None
        self.stop_with = Stop.RELEASE
        self.lose_at: int | None = None
        self.throttled: list[int] = []
        self.rate = 0

    def has_rate(self):
        return self.rate > 0

    def stop(self):
        self.asked += 1
        if self.lose_at is not None and self.asked >= self.lose_at:
            raise LeaseLost
        return self.stop_with if self.stop_at is not None and self.asked >= self.stop_at else Stop.NONE

    def throttle(self, count):
        self.throttled.append(count)


class Around:
    """Something with some of its methods replaced; the rest is `inner`'s."""

    def __init__(self, inner, **replaced: Callable) -> None:
        self.inner = inner
        self.__dict__.update(replaced)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class BenchStorages(Storages):
    """Real storages with small parts, so that a few kilobytes are a big file; a test may put something around them."""

    def __init__(self, bench: Bench, prefetched: Prefetched | None = None) -> None:
        super().__init__(prefetched)
        self.bench = bench

    def open(self, place: Place) -> Storage:
        is_new = place not in self._open
        storage = super().open(place)
        if is_new:
            storage.capabilities = storage.capabilities._replace(preferred_part_bytes=PART, batch_file_bytes=PART)
            if place == self.bench.sink:
                storage = self._open[place] = self.bench.around_sink(storage)
            if place == self.bench.source:
                storage = self._open[place] = self.bench.around_source(storage)
        return storage


@dataclass
class Bench:
    """A source and a sink directory, and all that the engine is given."""

    root: Path
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    control: MemoryControl = field(default_factory=MemoryControl)
    verify: Verify = Verify.READBACK
    around_source: Callable = field(default=lambda storage: storage)
    around_sink: Callable = field(default=lambda storage: storage)

    def __post_init__(self) -> None:
        self.source = Place(f"file://{self.root}", b"source")
        self.sink = Place(f"file://{self.root}", b"sink")
        self.at_source, self.at_sink = self.root / "source", self.root / "sink"
        self.at_source.mkdir()
        self.at_sink.mkdir()
        self.storages = BenchStorages(self)

    def write(self, name: str, data: bytes) -> Path:
        path = self.at_source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def work(self, task_id: int, name: str, kind: Kind = Kind.FILE, **more) -> Work:
        """First attempt at what stands at the source."""
        path = self.at_source / name
        size = path.lstat().st_size if kind is Kind.FILE and path.exists() else 0
        encoded = name.encode()
        return Work(task_id, 1, 1, kind, encoded, size)._replace(**more)

    def again(self, work: Work, **more) -> Work:
        """The next claim of the same task, with what the journal kept."""
        kept = {
            "epoch": work.epoch + 1,
            "attempts": work.attempts + 1,
            "token": self.journal.tokens.get(work.task_id, ""),
            "checkpoints": tuple(sorted(self.journal.checkpoints.get(work.task_id, {}).items())),
            "intent_sha256": self.journal.intents.get(work.task_id, b""),
        }
        return work._replace(**kept | more)

    def assignment(self, *works: Work) -> Assignment:
        return Assignment(1, "job", INSTALLATION, self.source, self.sink, self.verify, works)

    def run(self, *works: Work) -> list[Outcome]:
        """One outcome for each work, in the order of `works`."""
        outcomes = list(run(self.assignment(*works), self.storages, self.journal, self.control))
        assert sorted(outcome.task_id for outcome in outcomes) == sorted(work.task_id for work in works)
        return sorted(outcomes, key=lambda outcome: [work.task_id for work in works].index(outcome.task_id))

    def calm(self) -> None:
        """The next attempt is not disturbed."""
        self.journal.lose_at = self.control.stop_at = self.control.lose_at = None
        self.around_sink = self.around_source = lambda storage: storage
        self.storages.close()

    def partials(self) -> list[Path]:
        return sorted(path for path in self.at_sink.rglob("*") if PartialId.is_reserved(path.name.encode()))


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes of which no two parts are alike."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(-(-size // 32)))[:size]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
