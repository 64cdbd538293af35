"""Claims, settles, pauses and the reaper, raced by nine processes over the same rows, never win anything twice."""

import json
import sys
import uuid
from collections import Counter

from tests.acceptance.faults import IS_BIG

SECONDS = 60 if IS_BIG else 4


def play(product, role, seconds=SECONDS):
    command = [sys.executable, "-m", "tests.acceptance.racer", role, str(seconds)]
    return product.processes.start(command, product.environment)


def reports(players):
    """What each of them printed; nobody may have met an error, least of all a locked database."""
    for player in players:
        assert player.wait(SECONDS + 60) == 0, player.err
        assert player.err == ""
    return [json.loads(player.out) for player in players]


def total(found, key):
    return sum(report.get(key, 0) for report in found)


def test_raced_claims_settles_and_pauses_never_double(product):
    [jobs] = reports([play(product, "prepare", 0)])
    roles = [*["slave"] * 4, *["reaper"] * 2, "pauser", *["steerer"] * 2]
    found = reports([play(product, role) for role in roles])
    claimed = [tuple(key) for report in found for key in report.get("claimed", ())]
    settled = [tuple(key) for report in found for key in report.get("settled", ())]
    reaped = total(found, "reaped")
    tasks = product.rows("SELECT id, job_id, status, epoch, size FROM jobs_task")
    assert total(found, "stolen") == 0, "a stale epoch or a dead incarnation won something"
    assert total(found, "late") == 0, "a claim succeeded after the pause was committed"
    assert max(Counter(claimed).values()) == 1, "a task was claimed twice at one epoch"
    assert max(Counter(settled).values()) == 1, "a claim was settled twice"
    assert set(settled) <= set(claimed)
    under_way = sum(task["status"] == "in_progress" for task in tasks)
    assert len(claimed) == len(settled) + reaped + under_way, "a claim ended twice, or never"
    assert sum(task["epoch"] for task in tasks) == len(claimed) + reaped, "an epoch did not rise by one each time"
    for report in found:
        assert epochs_rise(report.get("claimed", ()))
    assert counted(product) == Counter((task["job_id"], task["status"]) for task in tasks)
    assert moves_alternate(product, uuid.UUID(jobs["steered"]))
    assert min(len(tasks), len(claimed)) > 2000 and len(settled) > 500 and reaped > 50, "hardly a race"
    assert total(found, "pauses") >= 2


def epochs_rise(claimed):
    """Whether one process, in the order of its claims, saw each task's epoch only rise."""
    last = {}
    for task_id, epoch in claimed:
        if epoch <= last.get(task_id, 0):
            return False
        last[task_id] = epoch
    return True


def counted(product):
    """(job, status) → tasks, as the totals say."""
    rows = product.rows("SELECT job_id, name, sum(delta) AS n FROM jobs_counter GROUP BY job_id, name")
    kept = [row for row in rows if row["name"].startswith("file.") and not row["name"].endswith(".bytes") and row["n"]]
    return Counter({(row["job_id"], row["name"].removeprefix("file.")): int(row["n"]) for row in kept})


def moves_alternate(product, job):
    """Whether the history of a job that two processes steered is pause, resume, pause …"""
    query = "SELECT action FROM jobs_jobevent WHERE job_id = %s AND action IN ('pause', 'resume') ORDER BY id"
    actions = [row["action"] for row in product.rows(query, job)]
    return len(actions) > 4 and actions == [("pause", "resume")[number % 2] for number in range(len(actions))]
