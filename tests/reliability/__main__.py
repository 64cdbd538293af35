"""`python -m tests.reliability`: inject faults into real syncs and see that every invariant holds (`make reliability`).

Every experiment is a number of a plan that follows from counts and seed; `--only STAGE --number N` repeats one.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.acceptance.people import ordinary
from tests.reliability import shim, stages
from tests.reliability.lab import ENVIRONMENT, directory
from tests.reliability.results import Result, append, table

FAST = stages.Counts(sweep=258, database=46, cuts=72, zombies=21, uploads=6)
LONG = stages.Counts(
    sweep=9000,
    database=1000,
    cuts=5000,
    zombies=1000,
    moves=100_000,
    broker_cuts=1000,
    broker_kills=60,
    database_restarts=200,
    uploads=200,
)


def main() -> int:
    """0: every invariant held and every mutant was caught."""
    options = _options()
    os.environ.update(ENVIRONMENT)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    counts = (LONG if options.long else FAST).scaled(options.share)
    print(f"seed {seed}, {counts}", flush=True)
    begun = time.monotonic()
    with _as_ordinary_user(seed, options):
        results = _results(options, counts, seed)
    plan = ("--long " if options.long else "") + (f"--share {options.share} " if options.share != 1 else "")
    print(table(results, seed, plan))
    print(f"{time.monotonic() - begun:.0f} s")
    return int(any(not result.is_good for result in results))


def _results(options: argparse.Namespace, counts: stages.Counts, seed: int) -> list[Result]:
    """Of all stages that are asked for. In the fast tier kills and cuts go on while zombies wait."""
    with directory("reliability") as home, ExitStack() as stack, ThreadPoolExecutor() as beside:
        library = shim.build(home)

        def crew(name: str) -> stages.Crew:
            return stages.Crew(home / name, library, seed, options.number, stack)

        def perform(crew: stages.Crew, *names: str) -> list[Result]:
            return [_perform(name, crew, counts, "long" if options.long else "fast") for name in names]

        if options.only or options.long:
            return perform(crew("crew"), *(options.only or stages.STAGES))
        waiting = crew("waiting")
        zombies = beside.submit(perform, waiting, "zombies")
        results = [*perform(crew("busy"), "sweep", "cuts"), *zombies.result()]
        return [*results, *perform(waiting, "mutants")]  # alone: on a busy machine a loss is noticed less often


def _perform(name: str, crew: stages.Crew, counts: stages.Counts, tier: str) -> Result:
    """One stage; what it found is written down at once."""
    result = stages.STAGES[name](crew, counts)
    append(result, crew.seed, tier)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.reliability", description=__doc__)
    parser.add_argument("--long", action="store_true", help="10,000 points, 5,000 cuts, 1,000 zombies …: hours")
    parser.add_argument("--share", type=float, default=1.0, help="of the counts, such as 0.1; runs add up")
    parser.add_argument("--seed", type=int, help="the one that a failed run printed")
    parser.add_argument("--number", type=int, help="only this experiment of a stage")
    parser.add_argument("--only", nargs="+", choices=stages.STAGES, metavar="STAGE")
    parser.add_argument("--ordinary-user", action="store_true", help="a small sweep without privileges as well")
    return parser.parse_args()


@contextmanager
def _as_ordinary_user(seed: int, options: argparse.Namespace) -> Iterator[None]:
    """Meanwhile: zombies mostly wait."""
    if not options.ordinary_user:
        yield
        return
    person = ordinary()
    counts = ["--only", "sweep", "--share", "0.15", "--seed", str(seed)]
    command: Sequence[str] = [*person.command, "-m", "tests.reliability", *counts]
    env = {**os.environ, **person.variables, "SYNCF_RELIABILITY_RESULTS": os.devnull}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    where = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=where, env=env, **pipes, **person.popen) as beside:  # type: ignore[call-overload]
        yield
        print(beside.communicate()[0], end="")
    if beside.returncode:
        raise SystemExit("the sweep as an ordinary user failed")


if __name__ == "__main__":
    sys.exit(main())
