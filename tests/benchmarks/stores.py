"""Object stores and SFTP: 2,000 small objects and a big one, up and down, beside rclone and, for S3, s5cmd.

Every contender of every round has a new server, as it has a new file system elsewhere: emulators take the more CPU, the
more they hold (azurite three times as much after 5 GiB). The server has had the small files once before, so that it is
warm. What was sent up is compared by `rclone check --download`, what came down by reading it; neither is timed.

SyncF reads everything back, so like is compared with like twice: SyncF with `rclone sync` and `rclone check --download`
after it, and, for sinks whose server checks digests, `--verify stored` with `rclone sync` alone. SyncF beside
`rclone sync` alone is shown as well. What comes down is durable when SyncF ends, so the others end with `sync -f`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.benchmarks import check, disk
from tests.benchmarks.contenders import CHECKED_RCLONE, DURABLE, PLAIN, STORED, Contender, named, peer, version_of
from tests.benchmarks.measure import run, settle
from tests.benchmarks.workloads import Bench
from tests.servers import buckets
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY, PrivateAzurite, PrivateGcs
from tests.servers.private import PrivateServer, answers_http
from tests.support.gcs import new_bucket

KEY, SECRET = "AKIDEXAMPLE1", "SECRETEXAMPLE1"
BUCKET = "bench"
TREES = {"small": "s", "big": "s_big"}


class RcloneS3(PrivateServer):
    """`rclone serve s3` over a directory: quick enough that the client is what is measured."""

    name = "rclone-s3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def commands(self) -> Sequence[Sequence[str]]:
        (self.directory / "files" / BUCKET).mkdir(parents=True, exist_ok=True)
        options = ["--auth-key", f"{KEY},{SECRET}", "--addr", self.url.removeprefix("http://")]
        return [[str(peer("rclone")), "serve", "s3", *options, str(self.directory / "files")]]

    def is_up(self) -> bool:
        return answers_http(self.url)


class Store(NamedTuple):
    """One kind of storage, as each contender is told of it."""

    kind: str
    url: str
    """For STORAGE_<KIND>."""
    rclone: str
    """What stands before a path."""
    environment: Mapping[str, str]


def _kind(bench: Bench, kind: str) -> None:
    """Small objects and a big one, up and then down again."""
    for what, tree in TREES.items():
        for number in range(bench.rounds("s")):
            for taking_part in bench.ordered(_contenders(bench, kind), number):
                with _STORES[kind]() as store:
                    _warm(store, bench.trees.get(TREES["small"]))
                    _there_and_back(bench, store, what, bench.trees.get(tree), taking_part(store))


def _warm(store: Store, source: Path) -> None:
    """The server sends and takes the small files once."""
    _run_rclone(store, "sync", source, "warm")
    _run_rclone(store, "check", source, "warm")


def _there_and_back(bench: Bench, store: Store, what: str, source: Path, contender: Contender) -> None:
    place = f"{what}-{''.join(filter(str.isalnum, contender.name))}"
    settle()
    _time(bench, store, f"{store.kind}-{what}-up", contender, contender.command(str(source), place))
    if _run_rclone(store, "check", source, place):
        bench.results.wrong.add((f"{store.kind}-{what}-up", contender.name))
    if contender.check is None:
        return
    with disk.fresh(bench.where, 4) as sinks:
        settle()
        argv = contender.check(place, str(sinks / "back"))
        argv = argv if contender.is_durable else _durable(argv, sinks)
        _time(bench, store, f"{store.kind}-{what}-down", contender, argv)
        if not check.is_same(source, sinks / "back", with_times=False):
            bench.results.wrong.add((f"{store.kind}-{what}-down", contender.name))


def _durable(argv: list[str], sink: Path) -> list[str]:
    return ["sh", "-c", '"$@" && sync -f "$0"', str(sink), *argv]


def _time(bench: Bench, store: Store, workload: str, contender: Contender, argv: list[str]) -> None:
    done = run(argv, {**store.environment, **contender.env})
    if done.code:
        bench.results.wrong.add((workload, contender.name))
        bench.say(f"{workload}: {contender.name} ended with {done.code}: {done.err.strip()[-300:]}")
    figures = {PLAIN: done.wall, DURABLE: done.wall, "cpu": done.cpu, "peak": done.peak, "machine": done.machine}
    bench.results.add(workload, contender.name, **figures)
    bench.say(f"{workload}: {contender.name}: {done.wall:.2f} s")


# ── who takes part: `command` is the way up, `check` the way down ──────────────────────────────────────────────


def _contenders(bench: Bench, kind: str) -> list[Callable[[Store], Contender]]:
    found = [
        partial(_syncf, bench, "SyncF"),
        partial(_rclone, "rclone", '"$0" sync "$1" "$2"'),
        partial(_rclone, CHECKED_RCLONE, '"$0" sync "$1" "$2" && "$0" check --download "$1" "$2"'),
    ]
    if kind != "sftp":
        found.insert(1, partial(_syncf, bench, STORED, options=("--verify", "stored")))
    if kind == "s3" and peer("s5cmd").exists():
        found.append(_s5cmd)
    return found


def _syncf(bench: Bench, name: str, store: Store, options: Sequence[str] = ()) -> Contender:
    [ours] = named(bench.contenders, "SyncF")
    alias = store.kind

    def sync(source: str, sink: str) -> list[str]:
        return [*ours.command("", "")[:-3], *options, "--", source, sink]

    down = None if options else lambda a, b: sync(f"{alias}:/{a}", b)
    return Contender(name, ours.version, lambda a, b: sync(a, f"{alias}:/{b}"), down, ours.env, is_durable=True)


def _rclone(name: str, script: str, store: Store) -> Contender:
    program = str(peer("rclone"))

    def both(a: str, b: str) -> list[str]:
        return ["sh", "-c", script, program, a, b]

    up, down = (lambda a, b: both(a, store.rclone + b)), (lambda a, b: both(store.rclone + a, b))
    return Contender(name, version_of(program, "version"), up, down)


def _run_rclone(store: Store, command: str, source: Path, place: str) -> int:
    """`check` compares every byte. Returns the exit code."""
    options = ["--download"] if command == "check" else []
    return run([str(peer("rclone")), command, *options, str(source), store.rclone + place], store.environment).code


def _s5cmd(store: Store) -> Contender:
    program = [str(peer("s5cmd")), "--endpoint-url", store.environment["SYNCF_BENCH_ENDPOINT"]]
    return Contender(
        "s5cmd",
        version_of(program[0], "version"),
        lambda a, b: [*program, "cp", f"{a}/", f"s3://{BUCKET}/{b}/"],
        lambda a, b: [*program, "cp", f"s3://{BUCKET}/{a}/*", f"{b}/"],
    )


# ── where ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _s3() -> Iterator[Store]:
    with _started(RcloneS3()) as endpoint:
        remote = {"TYPE": "s3", "PROVIDER": "Rclone", "ENDPOINT": endpoint, "ENV_AUTH": "true"}
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        url = f"s3://{BUCKET}?endpoint_url={endpoint}&region=us-east-1"
        yield _store("s3", url, f"{BUCKET}/", remote, {**keys, "SYNCF_BENCH_ENDPOINT": endpoint})


@contextmanager
def _gcs() -> Iterator[Store]:
    with _started(PrivateGcs()) as endpoint:
        url = new_bucket(endpoint)
        remote = {"TYPE": "gcs", "ENDPOINT": f"{endpoint}/storage/v1/", "ANONYMOUS": "true"}
        yield _store("gcs", url, f"{urlsplit(url).netloc}/", remote, {})


@contextmanager
def _azure() -> Iterator[Store]:
    with _started(PrivateAzurite()) as endpoint, buckets.azure_container(endpoint) as url:
        place = urlsplit(url).path.strip("/")
        remote = {"TYPE": "azureblob", "ACCOUNT": AZURITE_ACCOUNT, "KEY": AZURITE_KEY, "ENDPOINT": endpoint}
        yield _store("azure", url, f"{place}/", remote, {"AZURE_STORAGE_KEY": AZURITE_KEY})


@contextmanager
def _sftp() -> Iterator[Store]:
    """rclone is told not to look for checksums: it would start a shell with md5sum on the server for every file, which
    takes fifty times as long as the file, and `check --download` proves more."""
    with buckets.sftp_directory() as url:
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        user, port = parts.username or "", str(parts.port)
        known, key = options["known_hosts"][0], options["key_file"][0]
        remote = {"TYPE": "sftp", "HOST": "127.0.0.1", "USER": user, "PORT": port, "KEY_FILE": key}
        remote |= {"KNOWN_HOSTS_FILE": known, "DISABLE_HASHCHECK": "true"}
        yield _store("sftp", url, f"{unquote(parts.path)}/", remote, {})


@contextmanager
def _started(server: PrivateServer) -> Iterator[str]:
    """Its URL; it is gone afterwards."""
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


def _store(kind: str, url: str, path: str, remote: Mapping[str, str], environment: Mapping[str, str]) -> Store:
    rclone = {f"RCLONE_CONFIG_BENCH_{name}": value for name, value in remote.items()}
    ours = {f"STORAGE_{kind.upper()}": url, "RCLONE_CONFIG": os.devnull}
    return Store(kind, url, f"bench:{path}", {**rclone, **ours, **environment})


_STORES: dict[str, Callable[[], AbstractContextManager[Store]]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azure": _azure,
    "sftp": _sftp,
}

WORKLOADS: dict[str, Callable[[Bench], None]] = {f"s-{kind}": partial(_kind, kind=kind) for kind in _STORES}
