"""The stages of a run: each takes its plan, spreads it over laboratories that work side by side, and counts."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.reliability import cuts, hunts, servers, sweep, uploads, zombies
from tests.reliability.disk import Disk
from tests.reliability.experiments import Experiment, Lab, Verdict, measure
from tests.reliability.lab import World
from tests.reliability.moves import walks
from tests.reliability.nursery import Nursery
from tests.reliability.oracle import Oracle
from tests.reliability.results import Result

LABS = 4
ZOMBIE_LABS = 8
"""They mostly wait."""


class Counts(NamedTuple):
    """How many experiments of each kind."""

    sweep: int
    database: int
    cuts: int
    zombies: int
    moves: int = 0
    broker_cuts: int = 0
    broker_kills: int = 0
    database_restarts: int = 0
    uploads: int = 0

    def scaled(self, share: float) -> Counts:
        """That part of them, at least one of each that there are any of."""
        return Counts(*(count and max(1, round(count * share)) for count in self))


class Crew:
    """Laboratories, made when first needed and used again by later stages."""

    def __init__(self, home: Path, library: Path, seed: int, number: int | None, stack: ExitStack) -> None:
        self.home, self.seed = home, seed
        self._library, self._number, self._stack = library, number, stack
        self._labs: list[Lab] = []

    def labs(self, count: int, *, disks: bool = False) -> list[Lab]:
        """So many, with a sink in memory; `disks`: each also with one on a disk whose power can be cut."""
        while len(self._labs) < count:
            self._labs.append(self._lab(self.home / f"lab{len(self._labs)}"))
        for number, lab in enumerate(self._labs[:count]):
            if disks and lab.disk is None:
                self._labs[number] = lab._replace(disk=self._disk(self.home / f"lab{number}" / "disk"))
        return self._labs[:count]

    def _lab(self, home: Path) -> Lab:
        (home / "world").mkdir(parents=True)
        nursery = self._stack.enter_context(Nursery(home, self._library))
        if not self._template.exists():
            nursery.prepare(self._template)
        world = World(home / "world", self._template)
        return Lab(nursery, world, Oracle(world))

    def _disk(self, home: Path) -> Disk:
        (home / "world").mkdir(parents=True)
        return Disk(home, self._template)

    @property
    def _template(self) -> Path:
        return self.home / "template.sqlite3"

    def perform(self, plan: Sequence[Experiment], labs: Sequence[Lab]) -> list[Verdict]:
        """All of the plan (or the one that was asked for), side by side."""
        waiting: queue.SimpleQueue[tuple[int, Experiment]] = queue.SimpleQueue()
        for number, experiment in enumerate(plan):
            if self._number is None or number == self._number:
                waiting.put((number, experiment))
        verdicts: list[Verdict] = []
        failures: list[BaseException] = []

        def work(lab: Lab) -> None:
            try:
                while not failures:
                    number, experiment = waiting.get_nowait()
                    verdict = experiment(lab)
                    verdicts.append(verdict._replace(name=f"{number}: {verdict.name}"))
                    _show(len(verdicts), len(plan), verdicts[-1])
            except queue.Empty:
                return
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(lab,)) for lab in labs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return verdicts


def _show(done: int, total: int, last: Verdict) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,}: {last.name[:60]}\x1b[K", end="", file=sys.stderr, flush=True)


def _calls(lab: Lab) -> tuple[int, int]:
    """Of an undisturbed sync: all, and those at the sink."""
    return measure(lab, lab.world.home), measure(lab, lab.world.sink)


def _sweep(crew: Crew, counts: Counts) -> Result:
    labs = crew.labs(LABS)
    calls, sink_calls = _calls(labs[0])
    plan = [
        *sweep.plan(counts.sweep, calls, sink_calls, crew.seed),
        *sweep.plan_database(counts.database, calls, crew.seed),
    ]
    return Result("sweep", "kills and errors at system calls", crew.perform(plan, labs))


def _cuts(crew: Crew, counts: Counts) -> Result:
    labs = crew.labs(LABS, disks=True)
    return Result("cuts", "power cuts", crew.perform(list(cuts.plan(counts.cuts, cuts.calls(labs[0]))), labs))


def _zombies(crew: Crew, counts: Counts) -> Result:
    labs = crew.labs(ZOMBIE_LABS)
    plan = list(zombies.plan(counts.zombies, measure(labs[0], labs[0].world.sink)))
    return Result("zombies", "syncs frozen past their leases, then woken", crew.perform(plan, labs))


def _mutants(crew: Crew, counts: Counts) -> Result:
    """Each safety taken out: at least one experiment has to notice."""
    labs = crew.labs(ZOMBIE_LABS, disks=True)
    hunt = hunts.Hunt(labs[0])
    crew.perform(hunt.plan(), labs)
    return Result("mutants", "safeties taken out, all noticed", hunt.verdicts())


def _moves(crew: Crew, counts: Counts) -> Result:
    """On SQLite and on PostgreSQL, half of the steps each."""
    return Result("moves", "steps of a job, its tasks and all who move them", walks.walk(counts.moves, crew.seed))


def _broker_cuts(crew: Crew, counts: Counts) -> Result:
    verdicts = servers.broker_cuts(crew.home / "broker-cuts", counts.broker_cuts)
    return Result("broker-cuts", "times all connections to RabbitMQ were reset", verdicts)


def _broker_kills(crew: Crew, counts: Counts) -> Result:
    verdicts = servers.broker_kills(crew.home / "broker-kills", counts.broker_kills)
    return Result("broker-kills", "times RabbitMQ was killed and started", verdicts)


def _database_restarts(crew: Crew, counts: Counts) -> Result:
    verdicts = servers.database_restarts(crew.home / "database-restarts", counts.database_restarts)
    return Result("database-restarts", "immediate restarts of PostgreSQL", verdicts)


def _uploads(crew: Crew, counts: Counts) -> Result:
    verdicts = uploads.uploads(crew.home / "uploads", counts.uploads, crew.seed)
    return Result("uploads", "slaves killed or frozen in an upload to S3", verdicts)


STAGES: dict[str, Callable[[Crew, Counts], Result]] = {
    "sweep": _sweep,
    "cuts": _cuts,
    "zombies": _zombies,
    "mutants": _mutants,
    "moves": _moves,
    "broker-cuts": _broker_cuts,
    "broker-kills": _broker_kills,
    "database-restarts": _database_restarts,
    "uploads": _uploads,
}
