"""Where there is no terminal, progress is plain lines at intervals."""

import io

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import Job, Sample, Scan, Task
from tests.unit.jobs import builders
from transfers.oneshot import progress
from transfers.oneshot.beginning import Request
from transfers.oneshot.progress import ProgressDisplay
from transfers.oneshot.session import Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def session():
    made = Session(Request(("local", "/a"), ("local", "/b"), {}, 1), lambda: False, lambda _: None, lambda _: None)
    made.job = builders.new_job(name="odd\x1b[31m\nname")
    made.scan = Scan.objects.create(job=made.job, files_seen=7)
    return made


@pytest.fixture
def clock(monkeypatch):
    """Seconds as the display sees them; to be set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("is_dumb_terminal", [False, True])
def test_a_line_comes_at_intervals_and_not_before(session, clock, monkeypatch, is_dumb_terminal):
    stream = io.StringIO()
    stream.isatty = lambda: is_dumb_terminal
    monkeypatch.setenv("TERM", "dumb")
    display = ProgressDisplay(stream)
    written = []
    for clock[0] in range(0, 13):
        display(session)
        written.append(len(stream.getvalue().splitlines()))
    assert written == [0] * 5 + [1] * 5 + [2] * 3
    assert "\x1b" not in stream.getvalue()


def test_what_is_shown_of_a_scan_and_of_the_copying_after_it(session, clock):
    stream = io.StringIO()
    display = ProgressDisplay(stream)
    clock[0] = 5.0
    display(session)
    slave = builders.new_slave()
    builders.claim_one(slave, session.job, b"big", size=4 << 20)
    Scan.objects.filter(pk=session.scan.pk).update(finished_at=Now())
    session.scan.refresh_from_db()
    Task.objects.filter(owner=slave).update(copied_bytes=1 << 20)
    Sample.objects.create(job=session.job, at=timezone.now(), bytes=1 << 20, files=0)
    clock[0] = 10.0
    display(session)
    first, second = stream.getvalue().splitlines()
    assert first == "0/0 files  0 B/0 B  0 B/s  ETA estimating…  scanning: 7 seen"
    assert second == "0/1 files  1.0 MiB/4.0 MiB  25 %  204.8 KiB/s  ETA 15 s"


def test_a_look_takes_a_few_statements_however_many_files(session, clock, django_assert_num_queries):
    display = ProgressDisplay(io.StringIO())
    with django_assert_num_queries(0):
        display(session)
    clock[0] = 5.0
    with django_assert_num_queries(9):
        display(session)


def test_a_dry_run_shows_what_was_seen(session, clock):
    stream = io.StringIO()
    session.request = Request(("local", "/a"), ("local", "/b"), {}, 1, is_dry_run=True)
    display = ProgressDisplay(stream)
    clock[0] = 5.0
    display(session)
    assert stream.getvalue() == "looking: 7 files seen\n"


def test_after_the_end_nothing_is_drawn_and_the_last_words_come_once(session, clock):
    stream = io.StringIO()
    display = ProgressDisplay(stream)
    display.close("Stopping.")
    display.close("Stopping.")
    clock[0] = 5.0
    display(session)
    assert stream.getvalue() == "Stopping.\n"
    assert Job.objects.count() == 1
