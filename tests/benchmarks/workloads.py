"""The workloads: what is run, in which order, and what of it is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.benchmarks import check, cluster, disk, trees
from tests.benchmarks.contenders import DURABLE, PLAIN, Contender, named
from tests.benchmarks.measure import Run, run, settle
from tests.benchmarks.results import Results

RESYNC = ("SyncF", "rclone", "rsync -a")
BIG = ("SyncF", "SyncF, not durable", "rclone --checksum", "rsync -a", "cp -a")
CHECKPOINT_BYTES = 64 << 20
T = TypeVar("T")


class Bench(NamedTuple):
    """What every workload needs."""

    trees: trees.Trees
    where: Path
    contenders: list[Contender]
    results: Results
    say: Callable[[str], None]
    rounds: Callable[[str], int]
    is_quick: bool

    def ordered(self, contenders: Sequence[T], number: int) -> list[T]:
        """Turned round in every other round, so that nobody always comes first."""
        return list(contenders if number % 2 == 0 else reversed(contenders))


def warm_up(bench: Bench) -> None:
    """Everybody syncs a few files twice: the very first sync of an installation makes an empty database that later
    ones copy, and nobody's program is read from the disk in a round."""
    for contender in bench.contenders:
        sink = bench.where / "warm-up" / _slug(contender)
        sink.mkdir(parents=True)
        for _ in range(2):
            for _, argv in contender.steps(Path(__file__).parent, sink):
                run(argv, contender.env)


# ── whole trees ───────────────────────────────────────────────────────────────────────────────────────────────


def sync_trees(bench: Bench, name: str) -> None:
    """First syncs of one tree by everybody, then the same again, and for `b` once more with 1 % changed."""
    for number in range(bench.rounds(name)):
        with disk.fresh(bench.where, 24) as sinks:
            _read(bench.trees.get(name))
            for contender in bench.ordered(bench.contenders, number):
                _first(bench, name, contender, sinks / f"{_slug(contender)}-{number}")
            for contender in bench.ordered(named(bench.contenders, *RESYNC), number):
                _time(bench, f"e-{name}", contender, bench.trees.get(name), sinks / f"{_slug(contender)}-{number}")
            if name == "b":
                trees.change_one_percent(bench.trees.get("b"), int(time.time()) + number)
                for contender in bench.ordered(named(bench.contenders, *RESYNC), number):
                    _first(bench, "f", contender, sinks / f"{_slug(contender)}-{number}", source=bench.trees.get("b"))


def big_file(bench: Bench) -> None:
    """One file, a file system for each contender."""
    for number in range(bench.rounds("c")):
        for contender in bench.ordered(named(bench.contenders, *BIG), number):
            with disk.fresh(bench.where, 8) as sinks:
                _read(bench.trees.get("c"))
                _first(bench, "c", contender, sinks / f"{_slug(contender)}-{number}")


def _first(bench: Bench, workload: str, contender: Contender, sink: Path, source: Path | None = None) -> None:
    source = source or bench.trees.get(workload)
    _time(bench, workload, contender, source, sink)
    if not check.is_same(source, sink, with_times=contender.keeps_times):
        bench.results.wrong.add((workload, contender.name))
        bench.say(f"{workload}: {contender.name}: WRONG, its sink is not like the source")


def _time(bench: Bench, workload: str, contender: Contender, source: Path, sink: Path) -> None:
    sink.mkdir(exist_ok=True)
    settle()
    total, first = 0.0, None
    values: dict[str, float] = {}
    for label, argv in contender.steps(source, sink):
        done = run(argv, contender.env)
        total += done.wall
        values[label] = total
        first = first or done
        if done.code != 0:
            bench.results.wrong.add((workload, contender.name))
            bench.say(f"{workload}: {contender.name} ended with {done.code}: {done.err.strip()[-300:]}")
    assert first is not None
    values.setdefault(DURABLE, values[PLAIN])
    bench.results.add(workload, contender.name, **values, cpu=first.cpu, peak=first.peak, machine=first.machine)
    bench.say(f"{workload}: {contender.name}: {values[PLAIN]:.2f} s, durable {values[DURABLE]:.2f} s")


def _read(tree: Path) -> None:
    """So that everybody finds it in the page cache."""
    for folder, _, names in os.walk(tree):
        for name in names:
            with open(os.path.join(folder, name), "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def _slug(contender: Contender) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in contender.name)


# ── interrupted ───────────────────────────────────────────────────────────────────────────────────────────────


def resume(bench: Bench) -> None:
    """Stopped half-way by kill -9 and by SIGTERM, then run again to the end."""
    [syncf] = named(bench.contenders, "SyncF")
    source = bench.trees.get("c")
    size = (source / "big.bin").stat().st_size
    for label, number in (("kill", signal.SIGKILL), ("term", signal.SIGTERM)):
        with disk.fresh(bench.where, 8) as sinks:
            sink = sinks / f"{label}-{time.time_ns()}"
            sink.mkdir()
            held = _interrupt(syncf, source, sink, size // 2, number)
            settle()
            done = run(syncf.steps(source, sink)[0][1], syncf.env)
            again = json.loads(done.out.splitlines()[-1])
            sent_again = max(0, held - again["bytes_resumed"])
            bench.results.facts[f"again_after_{label}"] = sent_again
            name = f"SyncF, again after {signal.Signals(number).name}"
            bench.results.add("g", name, plain=done.wall, durable=done.wall)
            if done.code or not check.is_same(source, sink, with_times=True):
                bench.results.wrong.add(("g", name))
            bench.say(f"g: {label} at {held:,} bytes, {sent_again:,} sent again, {done.wall:.2f} s to the end")


def _interrupt(syncf: Contender, source: Path, sink: Path, wanted: int, number: int) -> int:
    """Stop a sync once its partial has grown to `wanted` bytes; returns how large it is after that."""
    environment = {**os.environ, **syncf.env}
    process = subprocess.Popen(
        syncf.steps(source, sink)[0][1], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and _partial_bytes(sink) < wanted:
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        process.send_signal(number)
    process.wait()
    time.sleep(1.0)  # the workers of a killed parent are killed by the kernel
    return _partial_bytes(sink)


def _partial_bytes(sink: Path) -> int:
    with suppress(FileNotFoundError):
        return max((path.stat().st_size for path in sink.glob(".syncf-*.part")), default=0)
    return 0


# ── many rows, many machines ──────────────────────────────────────────────────────────────────────────────────


def catalogue(bench: Bench) -> None:
    """Scans of few and of very many unchanged files: time and peak memory of the scheduler, alone in its process."""
    peaks = {}
    for name in ("h_small", "h"):
        source = bench.trees.get(name)
        with disk.fresh(bench.where, 24, inodes=3_000_000) as sinks:
            state = bench.where / f"scan-{time.time_ns()}.sqlite3"
            env = cluster.environment(DATABASE_URL=f"sqlite:///{state}", BROKER_URL="database://")
            sync = [sys.executable, "manage.py", "sync", "--json", "--", str(source), str(sinks / "sink")]
            first = run(sync, env)
            bench.say(f"h: first sync of {source.name}: {first.wall:.1f} s")
            done = _scan_again(env)
            peaks[name] = done.peak
            figures = {"plain": done.wall, "durable": done.wall, "cpu": done.cpu, "peak": done.peak}
            bench.results.add("h", f"scan of {source.name}", **figures)
            if first.code or done.code:
                bench.results.wrong.add(("h", f"scan of {source.name}"))
                bench.say(f"h: ended with {first.code}, {done.code}: {first.err[-300:]} {done.err[-300:]}")
            bench.say(f"h: scan of {source.name} unchanged: {done.wall:.1f} s, {done.peak:.0f} MB")
            for path in bench.where.glob(f"{state.name}*"):
                path.unlink()
    bench.results.facts["scheduler_memory"] = peaks["h"] / peaks["h_small"]


_ASK = "from jobs import services; from jobs.models import Job; services.run_now(Job.objects.get(), actor='bench')"


def _scan_again(env: dict[str, str]) -> Run:
    run([sys.executable, "manage.py", "shell", "-c", _ASK], env)
    return run([sys.executable, "manage.py", "runscheduler", "--once"], env)


def clusters(bench: Bench) -> None:
    """PostgreSQL and RabbitMQ: slaves that are up already, from one to four of them, and a cold start of everything."""
    source = bench.trees.get("a")
    for slaves, concurrency in ((1, 2), (2, 1), (4, 1)):
        label = "SyncF on PostgreSQL + RabbitMQ, already up" if slaves == 1 else f"{slaves} slave processes, already up"
        begun = time.perf_counter()
        with cluster.database() as url, cluster.Cluster(url, slaves=slaves, concurrency=concurrency) as running:
            started = time.perf_counter() - begun
            for number in range(bench.rounds("i") + 1):
                with disk.fresh(bench.where, 8) as sinks:
                    _read(source)
                    settle()
                    seconds = running.sync(source, sinks / f"sink-{number}")
                    if number == 0:  # every process does everything for the first time
                        bench.results.add("i", f"{label}: first job", plain=seconds, durable=seconds)
                        continue
                    bench.results.add("a", label, plain=seconds, durable=seconds, peak=running.peak())
                    if not check.is_same(source, sinks / f"sink-{number}", with_times=True):
                        bench.results.wrong.add(("a", label))
                    bench.say(f"i: {label}: {seconds:.2f} s")
        bench.results.add("i", f"{label}: start of all processes", plain=started, durable=started)


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def parts(bench: Bench) -> None:
    """The engine on one big file, with and without checkpoints, against its hash; rows and messages with no copying."""
    file = bench.trees.get("c") / "big.bin"
    found: dict[str, list[float]] = {"hash": [], "with": [], "without": []}
    for _ in range(bench.rounds("c")):
        found["hash"].append(_driver("engine_driver", str(file), "hash"))
        for label, options in (("with", []), ("without", ["--no-checkpoints"])):
            with disk.fresh(bench.where, 8) as sinks:
                settle()
                found[label].append(_driver("engine_driver", str(file), str(sinks / "sink"), *options))
    for label, seconds in found.items():
        for each in seconds:
            bench.results.add("parts", f"one big file: {label}", plain=each, durable=each)
    medians = {label: sorted(seconds)[len(seconds) // 2] for label, seconds in found.items()}
    bench.results.facts["engine_to_hash"] = medians["with"] / medians["hash"]
    bench.results.facts["checkpoints"] = medians["with"] / medians["without"]
    bench.say(f"parts: {medians}")
    _rows(bench, "5000" if bench.is_quick else "50000")


def _rows(bench: Bench, files: str) -> None:
    state = bench.where / f"rows-{time.time_ns()}.sqlite3"
    env = cluster.environment(DATABASE_URL=f"sqlite:///{state}", BROKER_URL="database://")
    bench.results.facts["rows_sqlite"] = _driver("rows_driver", files, env=env)
    for path in bench.where.glob(f"{state.name}*"):
        path.unlink()
    with cluster.database() as url:
        env = cluster.environment(DATABASE_URL=url, BROKER_URL=cluster.ensure_rabbitmq())
        bench.results.facts["rows_postgres"] = _driver("rows_driver", files, env=env)
    facts = bench.results.facts
    bench.say(f"parts: {facts['rows_sqlite']:.1f} and {facts['rows_postgres']:.1f} µs a file")


def _driver(module: str, *arguments: str, env: dict[str, str] | None = None) -> float:
    done = run([sys.executable, "-m", f"tests.benchmarks.{module}", *arguments], env)
    if done.code:
        raise RuntimeError(f"{module} ended with {done.code}: {done.err[-500:]}")
    return float(done.out.splitlines()[-1])


WORKLOADS: dict[str, Callable[[Bench], None]] = {
    "parts": parts,
    "a": lambda bench: sync_trees(bench, "a"),
    "i": clusters,
    "c": big_file,
    "g": resume,
    "d": lambda bench: sync_trees(bench, "d"),
    "b": lambda bench: sync_trees(bench, "b"),
    "h": catalogue,
}
