"""All 25 pairs of source and sink, through scheduler, broker and slaves, compared byte by byte."""

import itertools
import os
import random

import pytest

from tests.acceptance import clouds
from tests.acceptance.clouds import KINDS
from tests.acceptance.processes import eventually

ODD_NAMES = ["ünï cödé", "with space", "'quotes\"", "100% + more", "a#b?c&d=e;f", "-rf", ".hidden", "[x]*", "n" * 200]
BIG = 65 << 20
SECONDS = 240

pytestmark = pytest.mark.skipif(
    os.environ.get("SYNCF_TEST_STACK") == "sqlite", reason="once is enough, and that with RabbitMQ and PostgreSQL"
)


@pytest.fixture(scope="module")
def tree():
    """A few hundred files, a big one and odd names: relative name → content."""
    drawn = random.Random(4)
    files = {f"d{number % 17}/sub/f{number}.bin": drawn.randbytes(drawn.randrange(20_000)) for number in range(220)}
    files |= {f"odd/{name}": name.encode() for name in ODD_NAMES} | {f"odd/{name}.d/f": b"x" for name in ODD_NAMES[:5]}
    return files | {"empty": b"", "a-": b"1", "a/x": b"2", "a0": b"3", "big.bin": drawn.randbytes(BIG)}


@pytest.fixture
def places(product, tmp_path, monkeypatch):
    """Alias → URL, of what is configured for the product; this process may look there too."""
    with clouds.storages(tmp_path) as variables:
        product.environment.update(variables)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield {"local": product.base.as_uri()} | {
            name.removeprefix("STORAGE_").lower(): url for name, url in variables.items() if name.startswith("STORAGE_")
        }


def plant(base, tree):
    for name, data in tree.items():
        file = base / "seed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.utime(file, ns=(1_600_000_000_000_000_000,) * 2)
        file.chmod(0o640)


def sync(product, pairs):
    jobs = [
        product.create_job(source_path, sink_path, source_type=source, sink_type=sink)
        for (source, source_path), (sink, sink_path) in pairs
    ]

    def all_done():
        return all(product.job(job)["status"] == "completed" for job in jobs)

    try:
        eventually(all_done, SECONDS, "the jobs to complete")
    except AssertionError:
        left = product.rows(
            "SELECT j.source_type, j.sink_type, j.status AS job, t.status, t.kind, t.reason_text, count(*) AS n "
            "FROM jobs_task t JOIN jobs_job j ON j.id = t.job_id WHERE t.status <> 'completed' "
            "GROUP BY 1, 2, 3, 4, 5, 6"
        )
        pytest.fail("\n".join(map(str, left)) or str(product.rows("SELECT * FROM jobs_scan")))
    wrong = product.rows("SELECT path_display, reason_text FROM jobs_task WHERE status <> 'completed'")
    assert wrong == []


def test_every_pair_of_source_and_sink(product, places, tree):
    plant(product.base, tree)
    expected = {name.encode(): data for name, data in tree.items()}
    product.start_scheduler()
    product.start_slave("slave-001")
    product.start_slave("slave-002")
    sync(product, [(("local", "seed"), (sink, "copy" if sink == "local" else "seed")) for sink in KINDS])
    for sink in KINDS[1:]:
        assert clouds.contents(places[sink], "seed") == expected, sink
    others = list(itertools.product(KINDS[1:], KINDS))
    sync(product, [((source, "seed"), (sink, f"from-{source}")) for source, sink in others])
    for source, sink in [("local", "local"), *others]:
        path = "copy" if source == "local" else f"from-{source}"
        assert clouds.contents(places[sink], path) == expected, (source, sink)
    assert_times_and_modes_came_back(product, tree)


def assert_times_and_modes_came_back(product, tree):
    for source in KINDS[1:]:
        for name in tree:
            status = (product.base / f"from-{source}" / name).stat()
            assert (status.st_mtime_ns, status.st_mode & 0o777) == (1_600_000_000_000_000_000, 0o640), (source, name)
