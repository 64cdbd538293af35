"""What the console shows and does, over HTTP: speed and time left, finding tasks and events, retrying by reason,
draining."""

import pytest

from jobs import services
from jobs.models import Slave, Task
from tests.unit.jobs import builders


def found(api, job, query: str) -> list[str]:
    answer = api.get(f"/api/jobs/{job.pk}/tracking?{query}")
    assert answer.status_code == 200, answer.content
    return [task["source_file"].rpartition("/")[2] for task in answer.json()["tasks"]]


def test_tracking_tells_phase_speed_and_time_left(api, job):
    now = api.get(f"/api/jobs/{job.pk}/tracking").json()["now"]
    assert (now["phase"], now["eta_seconds"], now["is_estimating"]) == ("idle", None, False)
    assert now["bytes_per_second"] == now["files_per_second"] == 0 and now["lag_seconds"] >= 0
    job.scans.create(started_at=job.created_at)
    now = api.get(f"/api/jobs/{job.pk}/tracking").json()["now"]
    assert (now["phase"], now["eta_seconds"], now["is_estimating"]) == ("scanning", None, True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=failed", ["full.bin", "denied.txt"]),
        ("reason=SINK_NO_SPACE", ["full.bin"]),
        ("slave=slave-1", ["done.txt"]),
        ("min_size=100", ["full.bin"]),
        ("max_size=10", ["denied.txt", "done.txt"]),
        ("path=.txt", ["denied.txt", "done.txt"]),
        ("path=%25", []),
        ("status=failed&path=txt&max_size=10", ["denied.txt"]),
    ],
)
def test_tasks_are_found_by_state_reason_slave_size_and_path(api, job, query, names):
    builders.put(job, "completed", b"done.txt", slave_name="slave-1", size=1)
    builders.put(job, "failed", b"full.bin", reason_code="SINK_NO_SPACE", size=100)
    builders.put(job, "failed", b"denied.txt", reason_code="SINK_PERMISSION_DENIED", size=2)
    assert found(api, job, query) == names


@pytest.mark.parametrize("query", ["min_size=-1", "min_size=x", "max_size=99999999999999999999", "reason=NONSENSE"])
def test_a_filter_that_cannot_be_is_refused(api, job, query):
    refused = api.get(f"/api/jobs/{job.pk}/tracking?{query}")
    assert (refused.status_code, refused.json()["field"]) == (400, query.partition("=")[0])


def test_events_are_found_by_action_actor_reason_and_time(api, job):
    services.pause_job(job, actor="user:ann")
    services.resume_job(job, actor="user:bob")

    def actions(query: str) -> list[str]:
        return [event["action"] for event in api.get(f"/api/jobs/{job.pk}/events?{query}").json()["results"]]

    assert actions("action=pause") == ["pause"] and actions("actor=user:bob") == ["resume"]
    assert actions("reason=X") == [] and actions("before=2020-01-01T00:00:00Z") == []
    assert actions("after=2020-01-01T00:00:00Z") == ["resume", "pause"]


def test_retry_by_reason_leaves_the_others(api, job):
    builders.put(job, "failed", b"a", reason_code="SINK_NO_SPACE")
    builders.put(job, "failed", b"b", reason_code="SINK_PERMISSION_DENIED")
    assert api.post(f"/api/jobs/{job.pk}/retry", {"reason": "SINK_NO_SPACE"}).json()["count"] == 1
    assert list(Task.objects.filter(status="pending").values_list("path_display", flat=True)) == ["a"]


def test_a_slave_is_drained_by_whoever_may(api, make_user, client_of):
    slave = builders.new_slave()
    assert api.post(f"/api/slaves/{slave.pk}/drain").status_code == 403
    assert Slave.objects.get().drain_requested_at is None
    drainer = client_of(make_user("drain_slave"))
    first = drainer.post(f"/api/slaves/{slave.pk}/drain")
    assert first.status_code == 200 and first.json()["drain_requested_at"]
    assert drainer.post(f"/api/slaves/{slave.pk}/drain").json() == first.json()
    for unknown in ("nonsense", "0b0f8c1e-6f57-4c0b-9a57-0f5fc7a1d6b2"):
        assert drainer.post(f"/api/slaves/{unknown}/drain").status_code == 404


def test_a_task_tells_why_it_is_as_it_is(api, job):
    task = builders.put(job, "failed", b"full.bin", reason_code="SINK_NO_SPACE", attempts=3)
    shown = api.get(f"/api/jobs/{job.pk}/tasks/{task.pk}").json()
    assert shown["task"] == api.get(f"/api/jobs/{job.pk}/tracking").json()["tasks"][0]
    story = {chapter["title"]: {fact["label"]: fact["value"] for fact in chapter["facts"]} for chapter in shown["why"]}
    assert story["Why"]["Reason"].startswith("SINK_NO_SPACE: ") and story["Why"]["What to do"]
    assert story["Attempts"]["Attempts"].startswith("3 of 5")
    assert {"Seen at the source", "Left at the sink", "Checkpoints", "Proof", "Errors and retries"} <= set(story)
    assert api.post(f"/api/jobs/{job.pk}/retry", {"task_id": shown["task"]["id"]}).json()["count"] == 1
    assert api.get(f"/api/jobs/{job.pk}/tasks/{task.pk}").json()["task"]["status"] == "pending"


def test_a_task_of_another_job_is_not_there(api, job, make_job):
    task = builders.put(make_job(), "failed", b"x")
    for number in (task.pk, 987654321, "9" * 30, "x"):
        answer = api.get(f"/api/jobs/{job.pk}/tasks/{number}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def pages(api, job, query: str) -> list[str]:
    """The names on all pages, each page reached from the one before."""
    names, url = [], f"/api/jobs/{job.pk}/tracking?{query}"
    while url:
        answer = api.get(url).json()
        names += [task["source_file"].removeprefix("/in/") for task in answer["tasks"]]
        url = answer["next"]
    return names


@pytest.mark.parametrize("page_size", [1, 3, 500])
def test_the_pages_of_tracking_hold_every_file_once_in_the_order_of_paths(api, job, page_size):
    alike = b"x" * 1024
    paths = [b"b", b"a/z", b"a-", b"c", alike + b"1", alike + b"2", alike, b"\xff", b"a/b", b"0"]
    for path in paths:
        builders.put(job, "completed", path)
    builders.put(job, "completed", b"a/", kind="directory")
    builders.put(builders.new_job(), "completed", b"not mine")
    found = pages(api, job, f"page_size={page_size}")
    assert found[:6] == ["0", "a-", "a/b", "a/z", "b", "c"] and found[-1] == "\\xFF"
    assert {name.lstrip("x") for name in found[6:-1]} == {"", "1", "2"} and len(found) == len(paths)


@pytest.mark.parametrize("status", ["pending", "retrying", "failed", "skipped", "cancelled"])
def test_the_pages_of_one_status_hold_each_of_its_files_once(api, job, status):
    names = [f"{number:02}" for number in range(10)]
    for name in names:
        builders.put(job, status, name.encode(), reason_code="SINK_NO_SPACE")
        builders.put(job, "completed", b"not" + name.encode())
    assert [name[-2:] for name in pages(api, job, f"status={status}&page_size=3")] == names


def test_a_page_goes_on_behind_a_file_that_has_changed_meanwhile(api, job):
    first, second = builders.put(job, "completed", b"a"), builders.put(job, "completed", b"b")
    Task.objects.filter(pk=first.pk).update(status="pending")
    answer = api.get(f"/api/jobs/{job.pk}/tracking?status=completed&cursor={first.pk}").json()
    assert [task["id"] for task in answer["tasks"]] == [str(second.pk)]


def test_a_cursor_of_another_job_is_refused(api, job):
    foreign = builders.put(builders.new_job(), "completed", b"a")
    answer = api.get(f"/api/jobs/{job.pk}/tracking?cursor={foreign.pk}")
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_CURSOR")
