"""Scheduler, slaves, reaper and operator take turns in any order; after every step the rows are what the model says."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Sum
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run

from jobs import counters, parking, scans, services, slaves, transitions, upkeep, uploads
from jobs.errors import Refusal
from jobs.models import Checkpoint, Job, JobEvent, Scan, Slave, Task
from tests.reliability.moves.model import Hold, Model
from tests.unit.jobs import builders

PATHS = (b"a", b"b", b"c", b"d/", b"d/e", b"f")
SLAVES = 3
ENDINGS = ("completed", "retrying", "failed", "skipped", "pending", "cancelled")
CHANCE = st.integers(0, (1 << 64) - 1)
STORY = (
    *["scan_discovers", "scan_reads_the_catalogue", "scan_sees_a_change", "scan_sees_a_change", "scan_sees_it_gone"],
    *["slave_claims"] * 6,
    *["slave_settles"] * 8,
    *["slave_tells_of_progress", "slave_lets_go_of_strays"] * 2,
    *["slave_asks_whether_it_may_publish"] * 4,
    *["slave_dies", "slave_dies", "slave_finds_the_sink_full"],
    *["operator_steers", "operator_steers", "operator_runs_it_now", "operator_retries", "operator_retries"],
    *["scheduler_begins_a_scan", "scheduler_ends_a_scan", "scheduler_turns", "scheduler_turns"],
    *["scheduler_looks_for_room", "scheduler_looks_for_room", "scheduler_folds_the_totals"],
)
"""Who does what, as often as it is named."""
LONG_AGO, LONG_HENCE = "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


class Draw(NamedTuple):
    """What chance says about one step."""

    a: int
    b: int
    is_odd: bool

    @property
    def is_rare(self) -> bool:
        """One time in four or so."""
        return self.b > 9


class Moves(RuleBasedStateMachine):
    """One job and everybody who may move it or its tasks. Runs in a transaction that is undone."""

    steps = 0
    """Over all machines of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.job = builders.new_job(max_attempts=2)
        self.model = Model(max_attempts=2)
        self.incarnations: list[Slave] = []
        self.at_work: list[int] = []
        """Number of the incarnation in each of the places for a slave."""
        self.holds: list[Hold] = []
        self.read: dict[bytes, str] = {}
        """Statuses as the scan read them, a while ago."""
        self.scans: list[tuple[Scan, int]] = []
        self.history = self.acts = 0

    @initialize()
    def begin(self) -> None:
        """A scan has seen three paths, and there are as many slaves as places for them."""
        for number in (0, 1, 3):
            self.scan_discovers(Draw(number, 12, False))
        for _ in range(SLAVES):
            self.at_work.append(self._sign_on())

    def teardown(self) -> None:
        """Nothing happened."""
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    def _sign_on(self) -> int:
        slave = builders.new_slave()
        # On a busy machine a story takes longer than a real lease.
        Slave.objects.filter(pk=slave.pk).update(lease_expires_at=LONG_HENCE)
        self.incarnations.append(slave)
        number = len(self.incarnations) - 1
        self.model.live.add(number)
        return number

    def _id(self, path: bytes) -> int:
        return Task.objects.values_list("id", flat=True).get(job=self.job, path=path)

    def _key(self, hold: Hold) -> tuple[int, int]:
        return self._id(hold.path), hold.epoch

    def _hold(self, draw: Draw) -> Hold | None:
        """Something in somebody's hand, or once in a while something that was."""
        held = [hold for hold in self.holds if self.model.is_held(hold)]
        choice = self.holds if draw.is_rare or not held else held
        return choice[-1 - draw.a % len(choice)] if choice else None

    @rule(chance=CHANCE)
    def somebody_acts(self, chance: int) -> None:
        """One rule for all, drawn evenly: hypothesis by itself leaves out most of them in any one story."""
        draw = random.Random(f"{chance} {self.acts}")
        self.acts += 1
        action = draw.choice(STORY)
        if self.model.status == "killed" and draw.random() < 0.3:
            action = "slave_asks_whether_it_may_publish"
        getattr(self, action)(Draw(draw.randrange(13), draw.randrange(13), draw.random() < 0.5))

    # ── the scan ──────────────────────────────────────────────────────────────────────────────────────────────

    def scan_discovers(self, draw: Draw) -> None:
        path = PATHS[draw.a % len(PATHS)]
        is_special = draw.is_odd and draw.b < 3 and not path.endswith(b"/")
        special: Any = {"kind": "special", "status": "skipped", "reason_code": "SPECIAL_FILE"} if is_special else {}
        kind = "special" if is_special else "directory" if path.endswith(b"/") else "file"
        count = transitions.discover(self.job.pk, [builders.new_row(path, **special)])
        assert count == self.model.discover(path, kind)

    def scan_reads_the_catalogue(self, draw: Draw) -> None:
        self.read = {path: task.status for path, task in self.model.tasks.items()}

    def scan_sees_a_change(self, draw: Draw) -> None:
        if not self.read:
            return
        path = sorted(self.read)[draw.a % len(self.read)]
        task = Task.objects.get(job=self.job, path=path)
        if task.kind == "special":
            return
        change = builders.seen(task, expected=self.read[path])
        expected = self.model.see_change(path, self.read[path])
        assert transitions.rediscover(self.job.pk, [change]) == expected

    def scan_sees_it_gone(self, draw: Draw) -> None:
        path = sorted(self.model.tasks)[draw.a % len(self.model.tasks)]
        transitions.mark_gone(self.job.pk, [self._id(path)])
        self.model.see_gone(path)
        if draw.is_odd:
            transitions.mark_back([self._id(path)])
            self.model.see_back(path)

    # ── slaves ────────────────────────────────────────────────────────────────────────────────────────────────

    def slave_claims(self, draw: Draw) -> None:
        """Also one that was declared dead and has not heard of it."""
        number = draw.a % len(self.incarnations) if draw.b > 7 else self.at_work[draw.b % SLAVES]
        directories, limit = draw.is_odd and draw.b % 2 == 0, 1 + draw.a % 4
        claim = transitions.claim_directories if directories else transitions.claim_files
        claimed = claim(self.incarnations[number], self.job.pk, limit=limit)
        holds = self.model.claim(number, limit, directories=directories)
        assert [(each.path, each.epoch) for each in claimed] == [(each.path, each.epoch) for each in holds]
        assert [each.attempts for each in claimed] == [self.model.tasks[each.path].attempts for each in holds]
        self.holds += holds

    def slave_settles(self, draw: Draw) -> None:
        """Also what was taken from it long ago."""
        if not (hold := self._hold(draw)):
            return
        task_id, epoch = self._key(hold)
        ending = ENDINGS[draw.b % len(ENDINGS)]
        gives_back = draw.is_odd and ending in ("pending", "retrying")
        kind = self.model.tasks[hold.path].kind
        task = transitions.Claimed(task_id, self.job.pk, kind, hold.path, 1, epoch, 1, False, "")
        row = builders.ending(task, ending, delay_seconds=0.0, attempts_back=int(gives_back), has_upload=True)
        won = transitions.settle(self.incarnations[hold.owner], [row])
        assert bool(won) == self.model.settle(hold, ending, gives_back=gives_back)

    def slave_tells_of_progress(self, draw: Draw) -> None:
        if not (hold := self._hold(draw)):
            return
        offset = 1 + draw.b % 5
        told = uploads.save_checkpoint(self.incarnations[hold.owner], self._key(hold), offset, bytes(32))
        assert told == self.model.checkpoint(hold, offset)

    def slave_asks_whether_it_may_publish(self, draw: Draw) -> None:
        if not (hold := self._hold(draw)):
            return
        keys = [self._key(hold)]
        assert bool(uploads.owned(self.incarnations[hold.owner], keys)) == self.model.may_publish(hold)

    def slave_lets_go_of_strays(self, draw: Draw) -> None:
        number = self.at_work[draw.a % SLAVES]
        held = {each.path for each in self.holds if each.owner == number} if draw.is_odd else set()
        count = transitions.let_go(self.incarnations[number], [self._id(path) for path in held])
        assert count == self.model.let_go(number, held)

    def slave_dies(self, draw: Draw) -> None:
        who = draw.a % SLAVES
        number = self.at_work[who]
        Slave.objects.filter(pk=self.incarnations[number].pk).update(lease_expires_at=LONG_AGO)
        assert slaves.reap_dead() == self.model.die(number)
        assert not slaves.heartbeat(self.incarnations[number], bytes_per_second=0)
        self.at_work[who] = self._sign_on()

    def slave_finds_the_sink_full(self, draw: Draw) -> None:
        lack = parking.Lack("SINK_QUOTA_EXCEEDED", "a", 1)
        parking.park_full(self.job, lack, actor="slave:slave-001")
        self.model.is_parked |= self.model.status in ("running", "paused")

    # ── operator ──────────────────────────────────────────────────────────────────────────────────────────────

    def operator_steers(self, draw: Draw) -> None:
        """A kill ends most of the story, so it comes seldom."""
        name = "kill" if draw.b > 9 and draw.is_odd else "pause" if draw.is_odd and draw.b < 5 else "resume"
        service = {"pause": services.pause_job, "resume": services.resume_job, "kill": services.kill_job}[name]
        try:
            answer: bool | None = service(self.job, actor="user:ann")
        except Refusal:
            answer = None
        assert answer == self.model.move(name)

    def operator_runs_it_now(self, draw: Draw) -> None:
        try:
            services.run_now(self.job, actor="user:ann")
            was_taken = True
        except Refusal:
            was_taken = False
        assert was_taken == self.model.run_now()

    def operator_retries(self, draw: Draw) -> None:
        try:
            count: int | None = services.retry_failed(self.job, actor="user:ann")
        except Refusal:
            count = None
        assert count == self.model.retry()

    # ── scheduler ─────────────────────────────────────────────────────────────────────────────────────────────

    def scheduler_begins_a_scan(self, draw: Draw) -> None:
        scan = scans.claim("scheduler", "here")
        assert bool(scan) == self.model.begin_scan()
        if scan:
            self.scans.append((scan, self.model.scan_epoch))

    def scheduler_ends_a_scan(self, draw: Draw) -> None:
        """Also one that is over already."""
        if not self.scans:
            return
        scan, epoch = self.scans[-1 - draw.a % len(self.scans) if draw.is_rare else -1]
        is_clean = draw.is_odd or draw.b > 2
        is_last = scan.pk == self.scans[-1][0].pk
        done = scans.finish(scan, error_code="" if is_clean else "SCAN_FAILED")
        assert done == (is_last and self.model.end_scan(epoch, is_clean=is_clean))

    def scheduler_turns(self, draw: Draw) -> None:
        upkeep.cancel_killed()
        upkeep.complete_finished()
        self.model.tick()

    def scheduler_looks_for_room(self, draw: Draw) -> None:
        Job.objects.filter(parked_until__isnull=False).update(parked_until=LONG_AGO)
        parking.look_for_room("here")
        self.model.is_parked &= self.model.status not in ("running", "paused")

    def scheduler_folds_the_totals(self, draw: Draw) -> None:
        counters._fold_job(self.job.pk)

    # ── after every step ──────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        Moves.steps += 1
        numbers = {incarnation.pk: number for number, incarnation in enumerate(self.incarnations)}
        names = ("path", "kind", "status", "epoch", "attempts", "owner_id", "gone_at")
        rows = Task.objects.filter(job=self.job).order_by("id").values_list(*names)
        found = {
            bytes(path): (kind, status, epoch, attempts, numbers.get(owner), gone is not None)
            for path, kind, status, epoch, attempts, owner, gone in rows
        }
        assert found == {
            path: (task.kind, task.status, task.epoch, task.attempts, task.owner, task.is_gone)
            for path, task in self.model.tasks.items()
        }
        job = Job.objects.get(pk=self.job.pk)
        assert (job.status, bool(job.parked_code)) == (self.model.status, self.model.is_parked)

    @invariant()
    def checkpoints_are_those_that_were_told(self) -> None:
        points = Checkpoint.objects.filter(task__job=self.job).order_by("offset").values_list("task__path", "offset")
        found: dict[bytes, list[int]] = {}
        for path, offset in points:
            found.setdefault(bytes(path), []).append(offset)
        assert found == {path: task.checkpoints for path, task in self.model.tasks.items() if task.checkpoints}

    @invariant()
    def totals_are_the_counts(self) -> None:
        counted = {}
        rows = Task.objects.filter(job=self.job).values_list("kind", "status")
        for kind, status, count, size in rows.annotate(count=Count("id"), bytes=Sum("size")).order_by():
            counted[f"{kind}.{status}"], counted[f"{kind}.{status}.bytes"] = count, size
        totals = {name: total for name, total in counters.totals(self.job.pk).items() if "." in name}
        assert {name: total for name, total in totals.items() if total} == {name: n for name, n in counted.items() if n}

    @invariant()
    def history_only_grows(self) -> None:
        count = JobEvent.objects.filter(job=self.job).count()
        assert count >= self.history
        self.history = count


def take_steps(machines: int, steps: int, *, seed: int | None = None) -> int:
    """Run so many machines of up to so many steps; returns how many steps were taken. Raises AssertionError with the
    story. Without a seed always the same."""
    before = Moves.steps
    bounded = settings(
        max_examples=machines,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],  # to shrink a story of fifty steps would take longer than to read it
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
    )
    if seed is not None:
        Moves._hypothesis_internal_use_seed = seed  # type: ignore[attr-defined]
    run(Moves, settings=bounded)
    return Moves.steps - before
