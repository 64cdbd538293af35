"""From waiting tasks to an assignment for one worker; directories come when nothing else is left."""

import pytest

from jobs import services, transitions, uploads
from jobs.models import Job, Scan, Task
from tests.unit.jobs import builders
from transfers.slave import claims
from transfers.slave.claims import Claims, assignment

pytestmark = pytest.mark.django_db

BIG = 1 << 30


@pytest.fixture
def job(db):
    return builders.new_job()


@pytest.fixture
def slave(db):
    return builders.new_slave()


def paths(batch) -> list[bytes]:
    return [task.path for task in batch.tasks] if batch else []


# ── hints ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hint_is_claimed_as_one_batch_per_job(job, slave):
    other = builders.new_job()
    ids = builders.discover(job, b"a", b"b") + builders.discover(other, b"c")
    batches = Claims(slave).named(ids)
    assert {batch.job: paths(batch) for batch in batches} == {job: [b"a", b"b"], other: [b"c"]}


def test_a_hint_that_comes_twice_or_late_or_was_made_up_claims_nothing(job, slave):
    ids = builders.discover(job, b"a")
    Claims(slave).named(ids)
    assert Claims(slave).named(ids) == Claims(builders.new_slave()).named(ids) == Claims(slave).named([99_999]) == []
    assert Task.objects.get().epoch == 1


def test_an_old_hint_is_cut_anew_so_that_a_poisonous_file_comes_alone(job, slave):
    ids = builders.discover(job, b"a", b"b", b"c")
    Task.objects.filter(pk=ids[1]).update(attempts=3)
    assert [paths(batch) for batch in Claims(slave).named(ids)] == [[b"a"], [b"b"], [b"c"]]


def test_of_a_hint_only_what_the_slave_may_serve_is_claimed(slave):
    served, foreign = builders.new_job(), builders.new_job(sink_type="archive")
    elsewhere = builders.new_job(machine_id="another machine")
    ids = [builders.discover(job, b"a")[0] for job in (served, foreign, elsewhere)]
    assert [batch.job for batch in Claims(slave).named(ids)] == [served]


def test_which_jobs_have_work_is_remembered_for_hints_but_not_whether_they_may_be_claimed_from(
    job, slave, django_assert_num_queries
):
    ours, ids = Claims(slave), builders.discover(job, b"a", b"b", b"c")
    assert [paths(batch) for batch in ours.named(ids[:1])] == [[b"a"]]
    with django_assert_num_queries(7):
        assert [paths(batch) for batch in ours.named(ids[1:2])] == [[b"b"]]
    services.pause_job(job, actor="user:ann")
    assert ours.named(ids[2:]) == []
    other = builders.new_job()
    assert [batch.job for batch in ours.named(builders.discover(other, b"d"))] == [other]


def test_a_directory_named_by_a_hint_waits_for_its_time(job, slave):
    ids = builders.discover(job, b"d/", b"d/a")
    assert [paths(batch) for batch in Claims(slave).named(ids)] == [[b"d/a"]]


# ── asking the database ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("size", "sizes"), [(10 << 10, [1500, 750, 500, 250]), (50 << 10, [750, 655, 655, 500, 440])]
)
def test_each_batch_leaves_as_much_again_for_every_worker_unless_it_is_light(job, slave, size, sizes):
    builders.discover(job, *(b"%04d" % number for number in range(3000)), size=size)
    found = []
    while batch := Claims(slave).next():
        found.append(len(batch.tasks))
    assert found == sizes


def test_the_workers_of_other_slaves_have_their_share(job, slave):
    builders.new_slave("another", concurrency=4)
    builders.discover(job, *(b"%04d" % number for number in range(6000)))
    assert len(Claims(slave).next().tasks) == 1000


def test_little_is_not_shared(job, slave):
    builders.discover(job, *(b"%02d" % number for number in range(90)))
    assert len(Claims(slave).next().tasks) == 90


def test_few_files_of_some_size_are_shared_among_the_workers(job, slave):
    builders.discover(job, *(b"%02d" % number for number in range(8)), size=10 << 20)
    assert [len(Claims(slave).next().tasks) for _ in range(3)] == [3, 3, 2]


def test_a_big_file_is_claimed_alone(job, slave):
    builders.discover(job, b"a", size=10)
    builders.discover(job, b"big", size=BIG)
    builders.discover(job, b"c", size=10)
    assert [paths(Claims(slave).next()) for _ in range(3)] == [[b"a"], [b"big"], [b"c"]]


def test_a_file_that_failed_often_is_claimed_alone(job, slave):
    builders.discover(job, b"poison")
    Task.objects.update(attempts=3)
    builders.discover(job, b"b", b"c")
    assert [paths(Claims(slave).next()) for _ in range(2)] == [[b"poison"], [b"b", b"c"]]


def test_every_job_gets_its_turn(slave):
    jobs = [builders.new_job() for _ in range(3)]
    for job in jobs:
        builders.discover(job, b"a")
    assert {Claims(slave).next().job for _ in jobs} == set(jobs)


def test_nothing_of_what_cannot_be_served_is_claimed(slave):
    for fields in ({"source_type": "archive"}, {"machine_id": "x"}, {"status": "paused"}, {"parked_code": "X"}):
        builders.discover(builders.new_job(**fields), b"a", b"d/")
    assert Claims(slave).next() is None


# ── directories ───────────────────────────────────────────────────────────────────────────────────────────────


def test_directories_come_when_all_files_are_done_those_below_first(job, slave):
    builders.discover(job, b"", kind="directory")
    builders.discover(job, b"d/", b"d/e/", b"d/f/", b"d/e/a")
    files = Claims(slave).next()
    assert paths(files) == [b"d/e/a"]
    assert Claims(slave).next() is None, "a file is under way"
    transitions.settle(slave, [builders.ending(files.tasks[0])])
    assert paths(Claims(slave).next()) == [b"d/f/", b"d/e/", b"d/", b""]


@pytest.mark.parametrize("status", ["pending", "retrying", "in_progress"])
def test_a_file_that_is_not_final_keeps_the_directories_waiting(job, slave, status):
    builders.discover(job, b"d/")
    builders.put(job, status, b"d/a", not_before="2100-01-01T00:00:00Z")
    assert Claims(slave).next() is None


@pytest.mark.parametrize("status", ["completed", "failed", "skipped", "cancelled"])
def test_a_file_that_is_final_does_not(job, slave, status):
    builders.discover(job, b"d/")
    builders.put(job, status, b"d/a")
    assert paths(Claims(slave).next()) == [b"d/"]


def test_a_scan_that_may_still_find_files_keeps_the_directories_waiting(job, slave):
    builders.discover(job, b"d/")
    scan = Scan.objects.create(job=job, started_at="2026-01-01T00:00:00Z")
    assert Claims(slave).next() is None
    Scan.objects.filter(pk=scan.pk).update(finished_at="2026-01-01T00:00:01Z")
    assert paths(Claims(slave).next()) == [b"d/"]


@pytest.mark.parametrize("fields", [{"is_preview": True, "started_at": "2026-01-01T00:00:00Z"}, {}])
def test_a_preview_or_a_scan_that_was_only_asked_for_does_not(job, slave, fields):
    builders.discover(job, b"d/")
    Scan.objects.create(job=job, **fields)
    assert paths(Claims(slave).next()) == [b"d/"]


def test_two_slaves_never_hold_directories_of_one_job_at_once(job, slave, monkeypatch):
    monkeypatch.setattr(claims, "DIRECTORIES_AT_ONCE", 1)
    builders.discover(job, b"d/", b"d/e/")
    held = Claims(slave).next()
    assert paths(held) == [b"d/e/"]
    assert Claims(builders.new_slave()).next() is None and Claims(slave).next() is None
    transitions.settle(slave, [builders.ending(held.tasks[0])])
    assert paths(Claims(builders.new_slave()).next()) == [b"d/"]


def test_directories_of_different_jobs_do_not_wait_for_each_other(slave):
    for _ in range(2):
        builders.discover(builders.new_job(), b"d/")
    assert [paths(Claims(slave).next()) for _ in range(3)] == [[b"d/"], [b"d/"], []]


# ── assignments ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_assignment_says_all_that_a_worker_has_to_know(job, slave, settings):
    settings.STORAGES_CONFIGURED = {"local": "file:///data"}
    builders.discover(job, b"\xff", size=7, compare_first=True)
    batch = Claims(slave).next()
    work = assignment(batch, number=4, installation="12345678")
    assert (work.number, work.job_id, work.installation, work.verify) == (4, str(job.pk), "12345678", "readback")
    sides = [(side.url, side.path, side.create) for side in (work.source, work.sink)]
    source, sink = job.source_path[1:].encode(), job.sink_path[1:].encode()
    assert sides == [("file:///data", source, False), ("file:///data", sink, False)]
    [one] = work.works
    assert (one.epoch, one.attempts, one.kind, one.path, one.size) == (1, 1, "file", b"\xff", 7) and one.compare_first
    assert (one.token, one.checkpoints, one.intent_sha256) == ("", (), b"")


def test_a_sink_of_this_machine_is_made_anew_but_only_on_the_device_the_scan_saw(job, slave, settings):
    settings.STORAGES_CONFIGURED = {"local": "file:///data"}
    type(job).objects.filter(pk=job.pk).update(machine_id=slave.machine_id, source_device="s", sink_device="d")
    builders.discover(job, b"x")
    work = assignment(Claims(slave).next(), number=1, installation="12345678")
    assert [(side.create, side.device) for side in (work.source, work.sink)] == [(False, "s"), (True, "d")]


def test_an_assignment_carries_what_an_earlier_attempt_left(job, slave, settings):
    settings.STORAGES_CONFIGURED = {"local": "file:///data"}
    task = builders.claim_one(slave, job)
    key = task.id, task.epoch
    uploads.save_token(slave, key, "token")
    uploads.save_checkpoint(slave, key, 20, builders.DIGEST)
    uploads.save_checkpoint(slave, key, 30, builders.DIGEST)
    transitions.settle(slave, [builders.ending(task, "pending")])
    [work] = assignment(Claims(slave).next(), number=1, installation="12345678").works
    assert (work.token, work.checkpoints) == ("token", ((20, builders.DIGEST), (30, builders.DIGEST)))


def test_a_killed_job_gives_nothing_more(job, slave):
    ids = builders.discover(job, b"a", b"d/")
    services.kill_job(Job.objects.get(pk=job.pk), actor="user:ann")
    assert Claims(slave).next() is None and Claims(slave).named(ids) == []
