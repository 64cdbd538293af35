"""`python -m tests.acceptance.racer ROLE SECONDS`: one of several processes that fight over the same rows.

Everybody works on the jobs named "raced" and "steered", which `prepare` makes, and ends with one JSON object on stdout
that says what it won. A refusal that should have come and did not is an error, and so is any exception.
"""

import itertools
import json
import os
import random
import sys
import time

import django

TASKS = 1500
PATIENCE = 50.0
"""Seconds beyond the given ones."""
FAR_PAST = "2001-01-01T00:00:00Z"


def prepare():
    """The jobs and their tasks; prints the jobs' ids."""
    jobs = {}
    for name in ("raced", "steered"):
        places = {"source_type": "local", "source_path": "s", "sink_type": "local", "sink_path": name}
        job = Job.objects.create(name=name, max_attempts=100, **places)
        rows = [new_task(b"f%05d" % number) for number in range(TASKS)]
        for start in range(0, TASKS, 500):
            transitions.discover(job.pk, rows[start : start + 500])
        jobs[name] = str(job.pk)
    return jobs


def new_task(path):
    """A file of seven bytes."""
    digest = hashlib.sha256(path).digest()
    return NewTask("file", path, digest, path.decode(), "pending", 7, 0, "v", False, "", "")


class RacingSlave:
    """Claims and settles as fast as it can; dies now and then without settling, and meddles with what it lost."""

    def __init__(self):
        self.claimed, self.settled, self.stolen, self.deaths = [], [], 0, 0
        self.jobs = list(Job.objects.values_list("pk", flat=True))
        self.lost = []
        self.names = (f"racer-{os.getpid()}-{number}" for number in itertools.count())
        self.sign_on()

    def sign_on(self):
        self.slave = Slave(
            name=next(self.names), host="h", machine_id="m", pid=os.getpid(), process=process_identity(), concurrency=1
        )
        self.mine = {}
        slaves.sign_on(self.slave)

    def step(self):
        random.choices([self.claim, self.settle, self.look_back, self.die], [8, 8, 3, 1])[0]()

    def claim(self):
        def choose(rows):
            return {row.id for row in random.sample(rows, random.randint(0, len(rows)))}

        job, named = random.choice(self.jobs), random.sample(range(1, TASKS + 1), 60)
        how = {"limit": random.randint(1, 60), "choose": random.choice([None, choose])}
        by_name = random.random() < 0.5
        claimed = (
            transitions.claim_named(self.slave, job, named)
            if by_name
            else transitions.claim_files(self.slave, job, **how)
        )
        for task in claimed:
            self.claimed.append((task.id, task.epoch))
            self.mine[task.id] = task

    def settle(self):
        """Some of what is ours, and the rest of it at an epoch that is not."""
        mixed = list(self.mine.values())
        random.shuffle(mixed)
        half = random.randint(0, len(mixed))
        ours, stale = mixed[:half], [task._replace(epoch=task.epoch + random.choice([-1, 1])) for task in mixed[half:]]
        won = transitions.settle(self.slave, [settled(task) for task in (*ours, *stale)])
        self.stolen += len(won & {task.id for task in stale})
        self.settled += [(task.id, task.epoch) for task in ours if task.id in won]
        self.lost += [self.mine.pop(task.id) for task in ours]

    def look_back(self):
        self.meddle(random.sample(self.lost, min(20, len(self.lost))))

    def meddle(self, tasks):
        """With what was ours once: a settled, reaped or dead incarnation's task is not ours to write."""
        tasks = [task for task in tasks if task.id not in self.mine]
        keys = [(task.id, task.epoch) for task in tasks]
        self.stolen += len(uploads.owned(self.slave, keys))
        self.stolen += len(transitions.settle(self.slave, list({task.id: settled(task) for task in tasks}.values())))
        for key in keys[:3]:
            self.stolen += uploads.save_intent(self.slave, key, b"0" * 32, "stolen")
            self.stolen += uploads.save_checkpoint(self.slave, key, 1, b"0" * 32)
            self.stolen += uploads.save_token(self.slave, key, "stolen")

    def die(self):
        """Declared dead with work in hand; it hears of it later, and until then it must not win anything."""
        if random.random() < 0.5:
            slaves.sign_off(self.slave)
        else:
            Slave.objects.filter(pk=self.slave.pk).update(lease_expires_at=FAR_PAST)
        self.deaths += 1
        before = len(self.claimed)
        self.claim()
        self.stolen += len(self.claimed) - before
        lost = list(self.mine.values())
        self.lost += lost
        self.sign_on()
        self.meddle(lost)

    def has_enough(self):
        return len(self.claimed) > 500 and len(self.settled) > 150 and self.deaths > 3

    def report(self):
        return {"claimed": self.claimed, "settled": self.settled, "stolen": self.stolen}


def settled(task):
    """The end of the work on a task, at random."""
    status = random.choices(["completed", "pending", "retrying", "failed"], [1, 8, 8, 1])[0]
    end = dict.fromkeys(Settlement._fields) | {"id": task.id, "epoch": task.epoch, "status": status}
    end |= {"reason_code": "RACED" if status in ("retrying", "failed") else "", "reason_text": "", "attempts_back": 0}
    end |= {"checksum": b"0" * 32 if status == "completed" else None}
    row = dict.fromkeys(Settled._fields, 0) | {"job_id": task.job_id, "kind": task.kind, "old_size": task.size}
    return Settled(**row | {"settlement": Settlement(**end), "has_upload": random.random() < 0.5})


class Reaper:
    """What the scheduler does about the dead, more often."""

    def __init__(self):
        self.reaped = 0

    def step(self):
        self.reaped += slaves.reap_dead()

    def has_enough(self):
        return self.reaped > 25

    def report(self):
        return {"reaped": self.reaped}


class Pauser:
    """Alone with the job "raced": between its pause and its resume nothing may be claimed."""

    def __init__(self):
        self.job, self.late, self.pauses = Job.objects.get(name="raced"), 0, 0

    def step(self):
        self.pauses += transitions.move_job(self.job, "pause", actor="pauser")
        paused_at = Job.objects.annotate(now=Now()).get(pk=self.job.pk).now
        time.sleep(random.uniform(0.0, 0.1))
        self.late += Task.objects.filter(job=self.job, started_at__gt=paused_at).count()
        transitions.move_job(self.job, "resume", actor="pauser")
        time.sleep(random.uniform(0.0, 0.2))

    def has_enough(self):
        return self.pauses >= 2

    def report(self):
        return {"late": self.late, "pauses": self.pauses}


class Steerer:
    """One of several that pause and resume the job "steered"."""

    def __init__(self):
        self.job, self.won = Job.objects.get(name="steered"), 0

    def step(self):
        self.won += transitions.move_job(self.job, random.choice(["pause", "resume"]), actor="steerer")
        time.sleep(random.uniform(0.0, 0.003))

    def has_enough(self):
        return self.won > 2

    def report(self):
        return {"won": self.won}


ROLES = {"slave": RacingSlave, "reaper": Reaper, "pauser": Pauser, "steerer": Steerer}


def main(role, seconds):
    """Play the role for so long; on a slow machine longer, until it has done enough to tell, but not for ever."""
    if role == "prepare":
        return prepare()
    player, end = ROLES[role](), time.monotonic() + float(seconds)
    while (now := time.monotonic()) < end or (now < end + PATIENCE and not player.has_enough()):
        player.step()
    return player.report()


if __name__ == "__main__":
    django.setup()
    import hashlib

    from django.db.models.functions import Now

    from jobs import slaves, transitions, uploads
    from jobs.machine import process_identity
    from jobs.models import Job, Slave, Task
    from jobs.sql.rows import NewTask, Settlement
    from jobs.transitions import Settled

    print(json.dumps(main(*sys.argv[1:])))
