"""Whatever moves happen in whatever order, the totals are what a count of the rows would be, and epochs only rise."""

from contextlib import suppress

import pytest
from django.db import transaction
from django.db.models import Count, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from jobs import counters, services, slaves, transitions, upkeep
from jobs.errors import Refusal
from jobs.models import Slave, Task
from jobs.states import TASK_MOVES
from tests.unit.jobs import builders

PATHS = st.sampled_from([b"a", b"b", b"c", b"d/", b"d/e"])
SIZES = st.integers(0, 1 << 40)
BY_A_SLAVE = {move.target for move in TASK_MOVES.values() if move.who == "slave"}
ENDINGS = st.sampled_from(sorted(BY_A_SLAVE - {"in_progress"}))
KINDS = st.sampled_from(["file", "symlink"])
EDGES = {(source, move.target) for move in TASK_MOVES.values() for source in move.sources}
NEW = {move.target for move in TASK_MOVES.values() if not move.sources}


class Life(RuleBasedStateMachine):
    """A job and everybody who may move its tasks."""

    def __init__(self):
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.job = builders.new_job(max_attempts=2)
        self.slaves = [builders.new_slave(), builders.new_slave()]
        self.held = []
        self.before = {}
        builders.discover(self.job, b"a", b"b", b"d/", size=3)

    def teardown(self):
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @rule(path=PATHS, size=SIZES, is_special=st.booleans())
    def a_scan_sees_a_new_path(self, path, size, is_special):
        special = {"kind": "special", "status": "skipped", "reason_code": "SPECIAL_FILE"} if is_special else {}
        transitions.discover(self.job.pk, [builders.new_row(path, size=size, **special)])

    @rule(path=PATHS, size=SIZES, kind=KINDS, expected=st.sampled_from(sorted(TASK_MOVES["rediscover"].sources)))
    def a_scan_sees_a_change(self, path, size, kind, expected):
        for task in Task.objects.filter(job=self.job, path=path):
            change = builders.seen(task, size=size, kind=task.kind if path.endswith(b"/") else kind, expected=expected)
            transitions.rediscover(self.job.pk, [change])

    @rule(path=PATHS)
    def a_scan_sees_it_gone_and_back(self, path):
        ids = list(Task.objects.filter(job=self.job, path=path).values_list("id", flat=True))
        transitions.mark_gone(self.job.pk, ids)
        transitions.mark_back(ids)

    @rule(path=PATHS)
    def a_directory_is_revisited(self, path):
        transitions.revisit_directories(self.job.pk, [path])

    def claim(self, who, limit):
        slave = self.slaves[who]
        self.held += [(slave, task) for task in builders.claim(slave, self.job, limit=limit)]

    @rule(who=st.integers(0, 1), limit=st.integers(1, 5))
    def a_slave_claims(self, who, limit):
        self.claim(who, limit)

    @rule(ending=ENDINGS, size=SIZES, gives_back=st.booleans(), age=st.integers(0, 30))
    def a_slave_settles(self, ending, size, gives_back, age):
        """Also work that was taken from it long ago."""
        if self.held:
            slave, task = self.held[-1 - age % len(self.held)]
            fields = {"size": size} if ending == "completed" else {}
            fields["attempts_back"] = int(gives_back and ending in ("pending", "retrying"))
            transitions.settle(slave, [builders.ending(task, ending, delay_seconds=0.0, **fields)])

    @rule(who=st.integers(0, 1), limit=st.integers(1, 5))
    def a_slave_dies_with_something_in_hand(self, who, limit):
        self.claim(who, limit)
        self.note()
        Slave.objects.filter(pk=self.slaves[who].pk).update(lease_expires_at="2026-01-01T00:00:00Z")
        slaves.reap_dead()
        self.slaves[who] = builders.new_slave()

    @rule()
    def an_operator_pauses_and_resumes(self):
        with suppress(Refusal):
            services.pause_job(self.job, actor="user:ann")
            assert builders.claim(self.slaves[0], self.job) == []
            services.resume_job(self.job, actor="user:ann")

    @rule()
    def an_operator_retries(self):
        with suppress(Refusal):
            services.retry_failed(self.job, actor="user:ann")

    @precondition(lambda self: len(self.held) > 5)
    @rule()
    def an_operator_kills(self):
        services.kill_job(self.job, actor="user:ann")
        upkeep.cancel_killed()

    @rule()
    def the_scheduler_folds(self):
        counters._fold_job(self.job.pk)

    @invariant()
    def the_totals_are_the_counts(self):
        counted = {}
        rows = Task.objects.filter(job=self.job).values_list("kind", "status")
        for kind, status, count, size in rows.annotate(count=Count("id"), bytes=Sum("size")).order_by():
            counted[f"{kind}.{status}"], counted[f"{kind}.{status}.bytes"] = count, size
        totals = {name: total for name, total in counters.totals(self.job.pk).items() if "." in name}
        assert {name: total for name, total in totals.items() if total} == {name: n for name, n in counted.items() if n}

    @invariant()
    def epochs_only_rise_and_every_step_is_in_the_table(self):
        self.note()

    def note(self):
        now = {id: (status, epoch) for id, status, epoch in Task.objects.values_list("id", "status", "epoch")}
        for id, (status, epoch) in now.items():
            if id in self.before:
                old, old_epoch = self.before[id]
                assert epoch >= old_epoch
                assert old == status or (old, status) in EDGES
            else:
                assert status in NEW
        self.before = now


@pytest.mark.django_db
def test_totals_are_counts_after_any_sequence_of_moves():
    bounded = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
    run_state_machine_as_test(Life, settings=settings(bounded, suppress_health_check=list(HealthCheck)))
