"""Object stores and SFTP: 2,000 small objects and a big one, up and down, beside rclone and, for S3, s5cmd.

Each kind has one server for all contenders, and every sync a prefix of its own there. What was sent up is compared by
`rclone check --download`, what came down by reading it; neither is timed.

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
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import GCS, ensure
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
    with _STORES[kind](bench.where) as store:
        for what, tree in TREES.items():
            for number in range(bench.rounds("s")):
                for contender in bench.ordered(_contenders(bench, store), number):
                    _there_and_back(bench, store, what, bench.trees.get(tree), contender, number)


def _there_and_back(bench: Bench, store: Store, what: str, source: Path, contender: Contender, number: int) -> None:
    place = f"{what}-{''.join(filter(str.isalnum, contender.name))}-{number}"
    settle()
    _time(bench, store, f"{store.kind}-{what}-up", contender, contender.command(str(source), place))
    if run([str(peer("rclone")), "check", "--download", str(source), store.rclone + place], store.environment).code:
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


def _contenders(bench: Bench, store: Store) -> list[Contender]:
    [ours] = named(bench.contenders, "SyncF")
    alias = store.kind

    def syncf(name: str, *options: str) -> Contender:
        def sync(source: str, sink: str) -> list[str]:
            return [*ours.command("", "")[:-3], *options, "--", source, sink]

        down = None if options else lambda a, b: sync(f"{alias}:/{a}", b)
        return Contender(name, ours.version, lambda a, b: sync(a, f"{alias}:/{b}"), down, ours.env, is_durable=True)

    found = [
        syncf("SyncF"),
        _rclone(store, "rclone", '"$0" sync "$1" "$2"'),
        _rclone(store, CHECKED_RCLONE, '"$0" sync "$1" "$2" && "$0" check --download "$1" "$2"'),
    ]
    if store.kind != "sftp":
        found.insert(1, syncf(STORED, "--verify", "stored"))
    if store.kind == "s3" and peer("s5cmd").exists():
        found.append(_s5cmd(store))
    return found


def _rclone(store: Store, name: str, script: str) -> Contender:
    program = str(peer("rclone"))

    def both(a: str, b: str) -> list[str]:
        return ["sh", "-c", script, program, a, b]

    up, down = (lambda a, b: both(a, store.rclone + b)), (lambda a, b: both(store.rclone + a, b))
    return Contender(name, version_of(program, "version"), up, down)


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
def _s3(where: Path) -> Iterator[Store]:
    server = RcloneS3()
    server.start()
    try:
        remote = {"TYPE": "s3", "PROVIDER": "Rclone", "ENDPOINT": server.url, "ENV_AUTH": "true"}
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        url = f"s3://{BUCKET}?endpoint_url={server.url}&region=us-east-1"
        yield _store("s3", url, f"{BUCKET}/", remote, {**keys, "SYNCF_BENCH_ENDPOINT": server.url})
    finally:
        server.remove()


@contextmanager
def _gcs(where: Path) -> Iterator[Store]:
    endpoint = ensure(GCS)
    url = new_bucket(endpoint)
    remote = {"TYPE": "gcs", "ENDPOINT": f"{endpoint}/storage/v1/", "ANONYMOUS": "true"}
    yield _store("gcs", url, f"{urlsplit(url).netloc}/", remote, {})


@contextmanager
def _azure(where: Path) -> Iterator[Store]:
    with buckets.azure_container() as url:
        parts = urlsplit(url)
        endpoint = parse_qs(parts.query)["endpoint_url"][0]
        remote = {"TYPE": "azureblob", "ACCOUNT": AZURITE_ACCOUNT, "KEY": AZURITE_KEY, "ENDPOINT": endpoint}
        key = {"AZURE_STORAGE_KEY": AZURITE_KEY}
        yield _store("azure", url, f"{parts.path.strip('/')}/", remote, key)


@contextmanager
def _sftp(where: Path) -> Iterator[Store]:
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


def _store(kind: str, url: str, path: str, remote: Mapping[str, str], environment: Mapping[str, str]) -> Store:
    rclone = {f"RCLONE_CONFIG_BENCH_{name}": value for name, value in remote.items()}
    ours = {f"STORAGE_{kind.upper()}": url, "RCLONE_CONFIG": os.devnull}
    return Store(kind, url, f"bench:{path}", {**rclone, **ours, **environment})


_STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azure": _azure,
    "sftp": _sftp,
}

WORKLOADS: dict[str, Callable[[Bench], None]] = {f"s-{kind}": partial(_kind, kind=kind) for kind in _STORES}
