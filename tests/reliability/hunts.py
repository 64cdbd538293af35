"""Each safety is taken out, and experiments look for the loss until one notices."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, zip_longest

from tests.reliability import cuts, sweep, zombies
from tests.reliability.experiments import Experiment, Lab, Verdict, measure
from tests.reliability.mutants import MUTANTS

FROZEN = 18
"""Zombies that are tried at most."""


class Hunt:
    """For all mutants side by side; whoever is caught is not looked for any longer."""

    def __init__(self, lab: Lab) -> None:
        """`lab`: to measure an undisturbed sync; it has a disk."""
        calls, at_disk = measure(lab, lab.world.sink), cuts.calls(lab)
        self._caught: dict[str, Verdict] = {}
        cut = [cuts.cut(10_000), *(cuts.cut(target) for target in range(at_disk, at_disk // 3, -6))]
        self._plans: dict[str, Iterable[Experiment]] = {
            "no-fsync": cut,
            "no-directory-fsync": cut,
            "no-read-back": [sweep.garbled(number) for number in range(1, 10)],
            "no-digest-check": [sweep.altered(target) for target in range(calls // 2, calls, 4)],
            "no-epoch-check": list(zombies.plan(FROZEN, calls))[::-1],
            "no-flock": list(zombies.at_parts(FROZEN)),
        }

    def plan(self) -> list[Experiment]:
        """The first of each, the second of each …"""
        by_turns = zip_longest(*([(name, each) for each in plan] for name, plan in self._plans.items()))
        return [self._against(*each) for each in chain.from_iterable(by_turns) if each]

    def verdicts(self) -> list[Verdict]:
        """One for each mutant; a violation: nothing noticed."""
        return list(map(self._verdict, MUTANTS))

    def _against(self, name: str, experiment: Experiment) -> Experiment:
        def step(lab: Lab) -> Verdict:
            if name in self._caught:
                return Verdict(name, (), was_struck=False)
            verdict = experiment(lab._replace(mutant=name))
            if verdict.violations:
                self._caught.setdefault(name, verdict)
            return verdict

        return step

    def _verdict(self, name: str) -> Verdict:
        caught = self._caught.get(name)
        missed = () if caught else (f"nothing noticed that {name} holds",)
        how = f"{caught.name}: {caught.violations[0]}" if caught else "not caught"
        return Verdict(f"{name}: {how[:150]}", missed, was_struck=True)
