"""What a small file may cost, counted and not timed: system calls, SQL statements, messages.

The numbers are what it takes today (docs/performance.md says what they cost). Whoever makes one smaller writes the new
number down; whoever needs a larger one says here why.
"""

import os
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import transitions, uploads
from jobs.models import Job, Scan, Task
from storage_backends.local import beneath, system
from tests.integration.scan.tree import Tree, ordinary_folder
from tests.unit.engine.doubles import Bench
from tests.unit.jobs import builders
from transfers.broker.memory import MemoryBroker
from transfers.engine.contracts import Identity, Outcome, Result
from transfers.engine.messages import Outcomes
from transfers.scheduler.publisher import Publisher
from transfers.slave import answers, claims

pytestmark = pytest.mark.django_db(transaction=True)

FILES = 1000
#: Per small file at its first copy, everything from opening the source to looking at the published name; and what is
#: saved where its directory is new at the sink.
CALLS = {"open": 2, "fstat": 3, "stat": 1, "pread": 2, "pwrite": 1, "utime": 1, "rename": 1, "close": 2}
SAVED = ("stat", "rename")
#: For a whole batch besides that: folders opened and looked at, roots, the group commit.
CALLS_PER_BATCH = 60
GROUP_COMMITS = 1
#: Statements per batch, transactions included, however many files it has.
STATEMENTS = {"discover": 6, "claim": 14, "assignment": 0, "fence": 1, "settle": 7}
#: Statements of a scan that finds nothing changed, per page of the catalogue and in all.
SCAN_STATEMENTS, SCAN_STATEMENTS_PER_PAGE = 60, 4

_OF_OS = ("open", "close", "stat", "lstat", "fstat", "listdir", "dup", "rename", "link", "unlink", "geteuid", "umask")
_OF_SEAM = [name for name in vars(system) if callable(getattr(system, name)) and not name.startswith(("_", "has_"))]


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """Name → how often the system was called by it."""
    calls: Counter = Counter()

    def count(module, name):
        function = getattr(module, name)

        def counting(*args, **kwargs):
            calls[name.strip("_")] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, counting)

    for name in _OF_OS:
        count(os, name)
    for name in _OF_SEAM:
        if getattr(system, name) is not None and name not in ("annotations",):
            count(system, name)
    count(beneath, "_syscall")
    return calls


@pytest.mark.parametrize("is_new", [True, False])
def test_a_small_file_takes_no_more_system_calls_than_are_written_down(tmp_path, counted, is_new):
    bench = Bench(tmp_path)
    if not is_new:
        (bench.at_sink / "d").mkdir()
    calls = {name: 0 if is_new and name in SAVED else times for name, times in CALLS.items()}
    for number in range(FILES):
        bench.write(f"d/{number:04}", b"x" * 100)
    works = [bench.work(number + 1, f"d/{number:04}") for number in range(FILES)]
    counted.clear()
    outcomes = bench.run(*works)
    bench.storages.close()
    assert {outcome.result for outcome in outcomes} == {Result.COMPLETED}
    assert counted["syncfs"] == GROUP_COMMITS
    allowed = {name: calls.get(name, 0) * FILES + CALLS_PER_BATCH for name in counted}
    over = {name: (count, allowed[name]) for name, count in counted.items() if count > allowed[name]}
    assert not over, f"calls, and what is written down: {over}"
    assert all(counted[name] >= times * FILES for name, times in calls.items()), f"write down what is less: {counted}"


@pytest.fixture
def statements(monkeypatch):
    """`with statements("claim"):` fails if more are run than are written down for that."""

    class Allowed(CaptureQueriesContext):
        def __init__(self, name):
            super().__init__(connection)
            self.name = name

        def __exit__(self, *problem):
            super().__exit__(*problem)
            if problem[0] is None:
                texts = "\n".join(query["sql"][:100] for query in self.captured_queries)
                assert len(self) <= STATEMENTS[self.name], f"{self.name} took {len(self)}:\n{texts}"

    return Allowed


def test_a_batch_takes_no_more_statements_than_are_written_down_however_large_it_is(statements):
    job, slave = builders.new_job(), builders.new_slave()
    rows = [builders.new_row(b"%04d" % number) for number in range(FILES)]
    with statements("discover"):
        transitions.discover(job.pk, rows)
    with statements("claim"):
        batch = claims.Claims(slave).next()
    assert len(batch.tasks) == FILES // 2, "half of a worker's share for two workers would be less: it is little"
    with statements("assignment"):
        assignment = claims.assignment(batch, number=1, installation="12345678")
    keys = [(work.task_id, work.epoch) for work in assignment.works]
    with statements("fence"):
        assert len(uploads.owned(slave, keys)) == len(keys)
    seen = Identity(1, 1, "1.1")
    done = [Outcome(*key, Result.COMPLETED, b"s" * 32, seen, seen, 1, 1) for key in keys]
    answer = answers.sort(job, {task.id: task for task in batch.tasks}, set(), 0.0, Outcomes.pack(done))
    with statements("settle"):
        assert transitions.settle_copied(slave, job.pk, answer.copied_rows(), old_bytes=len(done))
    assert Task.objects.filter(status="completed").count() == len(done)


def test_a_thousand_small_files_are_one_message():
    job = builders.new_job()
    builders.new_slave()
    builders.discover(job, *(b"%04d" % number for number in range(FILES)))
    with MemoryBroker() as broker:
        assert Publisher(broker).publish() == 1


def test_an_unchanged_tree_takes_a_few_statements_a_page_and_no_write_per_file(settings, monkeypatch):
    with ordinary_folder() as root:
        settings.STORAGES_CONFIGURED = {"local": root.as_uri() + "?shared=1"}
        tree = Tree(root)
        for number in range(FILES):
            tree.write(f"d/{number:04}")
        tree.scan()
        tree.copy()
        Task.objects.update(compare_first=False)
        monkeypatch.setattr("jobs.pages.PAGE_ROWS", 100)
        Job.objects.update(next_scan_at=None)
        with CaptureQueriesContext(connection) as queries:
            tree.scan()
        assert Scan.objects.latest("id").unchanged == FILES
        assert len(queries) <= SCAN_STATEMENTS + SCAN_STATEMENTS_PER_PAGE * (FILES // 100 + 1)
        assert not [query for query in queries.captured_queries if "UPDATE jobs_task" in query["sql"].replace('"', "")]
