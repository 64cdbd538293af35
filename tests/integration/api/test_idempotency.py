"""A request to create a job that is sent again with the same Idempotency-Key makes no second job."""

import threading
import uuid

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs import upkeep
from jobs.models import IdempotencyKey, Job, JobEvent

NEW = {"source_path": "/in", "sink_path": "/out", "source_type": "local", "sink_type": "local", "interval": "5m"}


def submit(api, key: str, **changes):
    return api.post("/api/jobs", {**NEW, **changes}, headers={"Idempotency-Key": key})


def test_the_same_key_and_body_is_answered_with_the_same_job(api, storage):
    first, again = submit(api, "k"), submit(api, "k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() and first["Location"] == again["Location"]
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert Job.objects.count() == 1 and JobEvent.objects.filter(action="create").count() == 1


def test_a_body_that_means_the_same_is_the_same(api, storage):
    submit(api, "k", interval="5m", verify="readback")
    assert submit(api, "k", verify="readback", interval="300s").status_code == 201
    assert Job.objects.count() == 1


def test_another_body_under_the_same_key_is_refused(api, storage):
    submit(api, "k")
    refused = submit(api, "k", sink_path="/other")
    assert (refused.status_code, refused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert refused.json().keys() == {"code", "message", "field", "hint"} and Job.objects.count() == 1


def test_a_refused_request_leaves_the_key_free(api, storage):
    assert submit(api, "k", source_path="/missing").status_code == 400
    assert submit(api, "k").status_code == 201


def test_keys_of_two_users_have_nothing_to_do_with_each_other(api, make_user, client_of, storage):
    other = client_of(make_user("add_job"))
    ids = {submit(api, "k").json()["job_id"], submit(other, "k", sink_path="/other").json()["job_id"]}
    assert len(ids) == 2


def test_without_a_key_every_request_stands_for_itself(api, storage):
    assert api.post("/api/jobs", NEW).status_code == 201
    assert api.post("/api/jobs", NEW).status_code == 409


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_key_that_is_none_is_refused(api, storage, key):
    refused = submit(api, key)
    assert (refused.status_code, refused.json()["code"]) == (400, "BAD_IDEMPOTENCY_KEY")
    assert not Job.objects.exists()


def test_keys_are_forgotten_after_a_week(api, storage):
    job = submit(api, "k").json()["job_id"]
    IdempotencyKey.objects.update(created_at=Now() - upkeep.timedelta(days=upkeep.IDEMPOTENCY_KEY_DAYS, seconds=1))
    upkeep.tidy()
    assert not IdempotencyKey.objects.exists() and Job.objects.filter(pk=job).exists()


@pytest.mark.django_db(transaction=True)
def test_of_requests_at_the_same_time_one_makes_the_job_and_all_get_it(user, client_of, storage):
    clients = [client_of(user) for _ in range(6)]
    barrier, answers = threading.Barrier(len(clients)), []

    def ask(client) -> None:
        barrier.wait()
        answers.append(submit(client, key))
        connection.close()

    key = str(uuid.uuid4())
    threads = [threading.Thread(target=ask, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}, [answer.content for answer in answers]
    assert len({answer.json()["job_id"] for answer in answers}) == 1 == Job.objects.count()
    assert sum("Idempotency-Replayed" not in answer for answer in answers) == 1
