"""`python -m tests.benchmarks [--quick] [--only a,b] [--rounds N]`: run the benchmarks and write the report."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import contenders, disk, report, stores, trees, workloads
from tests.benchmarks.measure import ROOT
from tests.benchmarks.results import Results
from tests.benchmarks.workloads import Bench

ROUNDS = {"a": 5, "b": 2, "c": 3, "d": 3, "i": 3, "s": 3}
QUICK_ROUNDS = {"a": 2, "b": 1, "c": 1, "d": 1, "i": 1, "s": 1}
WORKLOADS = {**workloads.WORKLOADS, **stores.WORKLOADS}


def main() -> None:
    """Everything, or what `--only` names. Only a whole run replaces docs/performance.md."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small trees, one round: three minutes")
    parser.add_argument("--only", default="", help=f"some of {','.join(WORKLOADS)}; s: all s-…")
    parser.add_argument("--rounds", type=int, default=0, help="instead of those each workload has")
    parser.add_argument("--where", type=Path, help="directory for sinks and databases; needs 30 GB")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else list(WORKLOADS)
    wanted = [name for name in WORKLOADS if name in only or name.partition("-")[0] in only]
    where = Path(tempfile.mkdtemp(prefix="syncf-bench-", dir=options.where))
    try:
        results, taking_part = _run(wanted, options, where)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    _write(results, taking_part, is_whole=not options.quick and not options.only)


def _run(wanted: list[str], options: argparse.Namespace, where: Path) -> tuple[Results, list[contenders.Contender]]:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.0f} s] {text}", file=sys.stderr, flush=True)

    cache = contenders.default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    state = where / "state"
    ours = [contenders.syncf(state), contenders.syncf_not_durable(state, cache)]
    taking_part = [each for each in ours if each] + contenders.peers(contenders.rclones(cache, say))
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    forest = trees.Trees(cache, trees.QUICK if options.quick else trees.FULL, say)
    results = Results()
    count = options.rounds
    bench = Bench(forest, where, taking_part, results, say, lambda name: count or rounds.get(name, 1), options.quick)
    workloads.warm_up(bench)
    for number, name in enumerate(wanted, 1):
        say(f"{name} ({number} of {len(wanted)})")
        try:
            WORKLOADS[name](bench)
        except Exception as error:  # what was measured so far is not to be lost
            results.failed[name] = f"{type(error).__name__}: {error}"
            say(f"{name} failed: {results.failed[name]}")
    return results, taking_part


def _write(results: Results, taking_part: list[contenders.Contender], *, is_whole: bool) -> None:
    notes = (Path(__file__).parent / "notes.md").read_text()
    text = report.write(results, taking_part, report.machine(disk.describe(Path("a directory"))), notes)
    target = ROOT / "docs" / "performance" if is_whole else ROOT / "var" / "bench"
    target.parent.mkdir(exist_ok=True)
    target.with_suffix(".md").write_text(text)
    target.with_suffix(".json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    print(text)
    print(f"Written to {target.with_suffix('.md').relative_to(ROOT)} and .json", file=sys.stderr)


if __name__ == "__main__":
    main()
