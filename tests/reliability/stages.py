"""The stages of a run: each takes its plan, spreads it over laboratories that work side by side, and counts."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.reliability import cuts, mutants, servers, sweep, zombies
from tests.reliability.experiments import Experiment, Lab, Verdict, measure
from tests.reliability.lab import Nursery, World
from tests.reliability.moves import walks
from tests.reliability.oracle import Oracle
from tests.reliability.results import Result

LABS = 4
ZOMBIE_LABS = 6
"""They mostly wait."""
Numbered = tuple[int, Experiment]


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

    def scaled(self, share: float) -> Counts:
        """That part of them, at least one of each that there are any of."""
        return Counts(*(count and max(1, round(count * share)) for count in self))


class Crew:
    """Laboratories, made when first needed and used again by later stages."""

    def __init__(self, home: Path, library: Path, seed: int, number: int | None, stack: ExitStack) -> None:
        self.home, self.seed = home, seed
        self._library, self._number, self._stack = library, number, stack
        self._labs: list[Lab] = []
        self._disks: list[tuple[Lab, cuts.Disk]] = []

    def labs(self, count: int) -> list[Lab]:
        """So many, with a sink in memory."""
        while len(self._labs) < count:
            home = self._new_home(f"lab{len(self._labs)}")
            self._labs.append(self._lab(home, World(home / "world")))
        return self._labs[:count]

    def labs_with_disks(self, count: int) -> list[tuple[Lab, cuts.Disk]]:
        """So many, with a sink on a disk whose power can be cut."""
        while len(self._disks) < count:
            home = self._new_home(f"disk{len(self._disks)}")
            disk = cuts.Disk(home)
            self._disks.append((self._lab(home, World(home / "world", sink=disk.mount / "sink")), disk))
        return self._disks[:count]

    def perform(self, plan: Sequence[Experiment], labs: Sequence[Lab], *, until_caught: bool = False) -> list[Verdict]:
        """All of the plan (or the one that was asked for), side by side; `until_caught`: up to the first violation."""
        waiting: queue.SimpleQueue[Numbered] = queue.SimpleQueue()
        for number, experiment in enumerate(plan):
            if self._number is None or number == self._number:
                waiting.put((number, experiment))
        verdicts: list[Verdict] = []
        failures: list[BaseException] = []

        def work(lab: Lab) -> None:
            try:
                while not failures and not (until_caught and any(each.violations for each in verdicts)):
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

    def _new_home(self, name: str) -> Path:
        home = self.home / name
        (home / "world").mkdir(parents=True)
        return home

    def _lab(self, home: Path, world: World) -> Lab:
        return Lab(self._stack.enter_context(Nursery(home, self._library)), world, Oracle(world))


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
    pairs = crew.labs_with_disks(LABS)
    sink_calls = _sink_calls(pairs[0])
    verdicts: list[Verdict] = []
    plans = [list(cuts.plan(counts.cuts, sink_calls, disk)) for _, disk in pairs]
    shares = [[plan[number] for number in range(index, counts.cuts, len(pairs))] for index, plan in enumerate(plans)]
    threads = [
        threading.Thread(target=lambda lab=lab, share=share: verdicts.extend(crew.perform(share, [lab])))
        for (lab, _), share in zip(pairs, shares, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Result("cuts", "power cuts", verdicts)


def _sink_calls(pair: tuple[Lab, cuts.Disk]) -> int:
    lab, disk = pair
    with disk.fresh():
        return measure(lab, lab.world.sink)


def _zombies(crew: Crew, counts: Counts) -> Result:
    labs = crew.labs(ZOMBIE_LABS)
    plan = list(zombies.plan(counts.zombies, measure(labs[0], labs[0].world.sink)))
    return Result("zombies", "syncs frozen past their leases, then woken", crew.perform(plan, labs))


def _mutants(crew: Crew, counts: Counts) -> Result:
    """Each safety taken out: at least one experiment has to notice."""
    verdicts = []
    for name in mutants.MUTANTS:
        caught = next((each for each in _hunt(crew, name) if each.violations), None)
        missed = () if caught else (f"nothing noticed that {name} holds",)
        how = f"{caught.name}: {caught.violations[0]}" if caught else "not caught"
        verdicts.append(Verdict(f"{name}: {how[:150]}", missed, was_struck=True))
    return Result("mutants", "safeties taken out, all noticed", verdicts)


def _hunt(crew: Crew, mutant: str) -> list[Verdict]:
    if mutant in ("no-fsync", "no-directory-fsync"):
        lab, disk = crew.labs_with_disks(1)[0]
        plan = [cuts.cut(target, disk) for target in (10_000, *range(115, 50, -6))]
        return crew.perform(plan, [lab._replace(mutant=mutant)], until_caught=True)
    if mutant in ("no-epoch-check", "no-flock"):
        labs = crew.labs(LABS)
        plan = list(zombies.plan(12, 120))
        return crew.perform(plan, [lab._replace(mutant=mutant) for lab in labs], until_caught=True)
    labs = crew.labs(LABS)
    plan = [sweep.garbled(number) for number in range(1, 10)]
    if mutant == "no-digest-check":
        plan = [sweep.altered(number) for number in range(60, 100, 4)]
    return crew.perform(plan, [lab._replace(mutant=mutant) for lab in labs], until_caught=True)


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


STAGES: dict[str, Callable[[Crew, Counts], Result]] = {
    "sweep": _sweep,
    "cuts": _cuts,
    "zombies": _zombies,
    "mutants": _mutants,
    "moves": _moves,
    "broker-cuts": _broker_cuts,
    "broker-kills": _broker_kills,
    "database-restarts": _database_restarts,
}
FAST = ("sweep", "cuts", "zombies", "mutants")
"""Stages of the fast tier; of the others `make test` has a few."""
