"""A full sink parks its job, which goes on by itself once there is room, and is not asked all the time before."""

import os
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import parking, scans, services
from jobs.models import Job, JobEvent
from jobs.parking import Lack
from storage_backends.local import LocalStorage
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

BIG = Lack("SINK_NO_SPACE", "big", 5000)


@pytest.fixture
def free(monkeypatch):
    """What the sink says of its room; `asked` counts how often."""

    class Free:
        count, asked = 100, 0

        def __call__(self):
            self.asked += 1
            return self.count

    free = Free()
    monkeypatch.setattr(LocalStorage, "free_bytes", lambda storage: free())
    return free


@pytest.fixture
def full(job, free) -> Job:
    """A job whose sink had no room for 5,000 bytes."""
    parking.park_full(job, BIG, actor="slave:slave-001")
    job.refresh_from_db()
    return job


def refused(job, path, **fields):
    """A file that found no room and waits for its next try."""
    fields = {"not_before": timezone.now() + timedelta(seconds=30), **fields}
    return builders.put(job, "retrying", path, reason_code="SINK_NO_SPACE", **fields)


def time_passes():
    Job.objects.update(parked_until=Now())


def events() -> list[tuple[str, str, str]]:
    return list(JobEvent.objects.order_by("id").values_list("actor", "action", "reason_code"))


def test_it_says_what_does_not_fit_how_much_room_there_is_and_what_to_do(full):
    assert (full.status, full.parked_code) == ("running", "SINK_NO_SPACE")
    assert full.parked_text == (
        f"The sink local:{full.sink_path} is full: big needs 5,000 bytes, 100 are free. Make room, or exclude what "
        "will never fit. The job goes on by itself."
    )
    assert events() == [("slave:slave-001", "park", "SINK_NO_SPACE")]


def test_it_does_not_only_count_bytes_where_there_are_enough(job, free):
    parking.park_full(job, Lack("SINK_NO_SPACE", "fits", 100), actor="slave:slave-001")
    assert "fits needs 100 bytes, 100 are free but were not given (are there inodes left? df -i). Make room" in (
        Job.objects.get().parked_text
    )


def test_a_second_file_without_room_changes_nothing(full):
    parking.park_full(full, Lack("SINK_NO_SPACE", "other", 1), actor="slave:slave-002")
    assert Job.objects.values_list("parked_bytes", flat=True).get() == 5000
    assert len(events()) == 1


def test_nobody_looks_before_its_time(full, free):
    asked = free.asked
    free.count = 1 << 40
    assert parking.look_for_room("") == 0
    assert free.asked == asked


def test_too_little_room_leaves_it_parked_for_another_while(full, free):
    free.count = 4999
    time_passes()
    asked = free.asked
    assert parking.look_for_room("") == parking.look_for_room("") == 0
    assert free.asked == asked + 1
    assert Job.objects.get().parked_code == "SINK_NO_SPACE"


def test_enough_room_lets_it_go_on(full, free):
    free.count = 5000
    time_passes()
    assert parking.look_for_room("") == 1
    row = Job.objects.values_list("parked_code", "parked_text", "parked_bytes", "parked_until").get()
    assert row == ("", "", None, None)
    assert events()[1:] == [("scheduler", "unpark", "")]


def test_a_file_too_big_for_the_room_holds_nobody_up_that_fits(job, free):
    builders.put(job, "pending", b"small", size=100)
    parking.park_full(job, BIG, actor="slave:slave-001")
    assert Job.objects.get().parked_code == ""


@pytest.mark.parametrize("of_other", [{"size": 101}, {"status": "retrying", "reason_code": "SINK_NO_SPACE"}])
def test_it_parks_once_all_that_would_fit_were_tried(job, free, of_other):
    builders.put(job, **{"status": "pending", "path": b"other", "size": 100, **of_other})
    parking.park_full(job, BIG, actor="slave:slave-001")
    assert Job.objects.get().parked_code == "SINK_NO_SPACE"


def test_a_sink_that_refuses_what_would_fit_is_not_tried_with_one_file_after_the_other(job, free):
    """It has no inodes left, say."""
    builders.put(job, "pending", b"small", size=1)
    parking.park_full(job, Lack("SINK_NO_SPACE", "fits", 100), actor="slave:slave-001")
    assert Job.objects.get().parked_code == "SINK_NO_SPACE"


def test_while_a_scan_may_still_find_what_fits_it_is_not_parked(job, free):
    services.run_now(job, actor="user:me")
    scan = scans.claim("scheduler", "here")
    parking.park_full(job, BIG, actor="slave:slave-001")
    assert Job.objects.get().parked_code == ""
    scans.finish(scan)
    parking.park_full(job, BIG, actor="slave:slave-001")
    assert Job.objects.get().parked_code == "SINK_NO_SPACE"


def test_a_small_file_that_comes_later_is_not_held_up_either(full, free):
    builders.put(full, "retrying", b"big", size=5000, reason_code="SINK_NO_SPACE")
    time_passes()
    assert parking.look_for_room("") == 0
    builders.put(full, "pending", b"small", size=100)
    time_passes()
    assert parking.look_for_room("") == 1


def test_it_is_parked_when_nothing_is_left_but_what_was_refused(job, free):
    assert not parking.park_if_full(job, actor="sync")
    refused(job, b"big", size=5000)
    refused(job, b"bigger", size=9000)
    other = builders.put(job, "pending", b"small", size=1)
    assert not parking.park_if_full(job, actor="sync")
    other.delete()
    assert parking.park_if_full(job, actor="sync")
    assert Job.objects.values_list("parked_code", "parked_bytes").get() == ("SINK_NO_SPACE", 5000)


def test_it_needs_what_is_not_at_the_sink_yet(job, free):
    refused(job, b"big", size=5000)
    bigger = refused(job, b"bigger", size=9000)
    for offset in (4000, 8000):
        bigger.checkpoints.create(offset=offset, sha256=builders.DIGEST)
    assert parking.park_if_full(job, actor="sync")
    assert Job.objects.get().parked_bytes == 1000


def test_it_is_not_parked_while_what_was_refused_may_be_tried_again_at_once(job, free):
    refused(job, b"big", size=5000, not_before=None)
    refused(job, b"bigger", size=9000)
    assert not parking.park_if_full(job, actor="sync")


def test_another_machines_sink_is_left_to_its_scheduler(full, free):
    free.count = 5000
    time_passes()
    Job.objects.update(machine_id="elsewhere")
    assert parking.look_for_room("here") == 0
    assert parking.look_for_room("elsewhere") == 1


@pytest.mark.parametrize("code", ["SINK_NO_SPACE", "SINK_QUOTA_EXCEEDED"])
def test_where_nobody_can_tell_the_room_it_is_tried_again(job, free, code):
    free.count = 0 if code == "SINK_QUOTA_EXCEEDED" else None  # a quota is not what the file system has left
    parking.park_full(job, Lack(code, "big", 5000), actor="slave:slave-001")
    assert "make room" in Job.objects.get().parked_text.lower()
    assert parking.look_for_room("") == 0
    time_passes()
    assert parking.look_for_room("") == 1


def test_a_killed_job_is_not_looked_after(full, free):
    services.kill_job(full, actor="user:me")
    free.count = 1 << 40
    time_passes()
    assert parking.look_for_room("") == 0


def test_a_scan_that_finds_the_roots_in_order_does_not_end_it(full):
    parking.roots_are_in_order(full)
    assert Job.objects.get().parked_code == "SINK_NO_SPACE"


def test_an_unmounted_disk_outweighs_it_and_then_only_a_scan_ends_it(full, free):
    parking.park(full, "ROOT_CHANGED", "unmounted?")
    free.count = 1 << 40
    assert parking.look_for_room("") == 0
    parking.roots_are_in_order(full)
    assert Job.objects.values_list("parked_code", "parked_until").get() == ("", None)


def test_a_person_who_runs_it_now_is_believed(full):
    services.run_now(full, actor="user:me")
    assert Job.objects.get().parked_code == ""
    assert ("user:me", "unpark", "") in events()


def test_a_sink_that_can_not_be_opened_is_tried_again(job):
    Job.objects.update(sink_type="gone")
    job.refresh_from_db()
    parking.park_full(job, BIG, actor="slave:slave-001")
    time_passes()
    assert parking.look_for_room("") == 1


def test_a_directory_tells_what_its_file_system_has_left(tmp_path):
    found = os.statvfs(tmp_path)
    storage = LocalStorage(os.fsencode(tmp_path))
    assert 0 < storage.free_bytes() <= found.f_frsize * found.f_blocks
    storage.close()
