"""Real worker processes: what they are told, how they die, and what the next one makes of it."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest

from storage_backends.base import Kind
from tests.support.mothers import a_mother
from tests.unit.engine.doubles import INSTALLATION, MemoryJournal, pattern, sha256
from transfers.engine import pool
from transfers.engine.contracts import Assignment, LeaseLost, Place, Result, Stop, Verify, Work
from transfers.engine.control import boottime
from transfers.engine.messages import (
    CheckpointMade,
    FenceAsked,
    Finished,
    IntentAsked,
    Outcomes,
    ProgressMade,
    SaveToken,
)
from transfers.engine.pool import WorkerDied, WorkerProcess

MIB = 1 << 20


class Parent:
    """Drives one worker as a slave does, with its journal in memory."""

    def __init__(self, root):
        self.root, self.journal, self.number = root, MemoryJournal(), 0
        self.outcomes, self.messages = {}, []
        (root / "source").mkdir()
        (root / "sink").mkdir()

    def work(self, task_id, name, **more):
        size = (self.root / "source" / name).stat().st_size
        return Work(task_id, more.pop("epoch", 1), 1, Kind.FILE, name.encode(), size, **more)

    def assign(self, worker, *works):
        self.number += 1
        self.works = {work.task_id: work for work in works}
        places = (Place(f"file://{self.root}", name) for name in (b"source", b"sink"))
        worker.assign(Assignment(self.number, "job", INSTALLATION, *places, Verify.READBACK, works))

    def serve(self, worker, until=Finished):
        """Answer until a message of the type `until` has come (and was answered)."""
        while True:
            assert select.select([worker], [], [], 30)[0], "the worker says nothing"
            message = worker.receive()
            self.messages.append(message)
            self._answer(worker, message)
            if isinstance(message, until):
                return message

    def _answer(self, worker, message):
        match message:
            case SaveToken(key, token):
                self._reply(worker, key, lambda work: self.journal.save_token(work, token))
            case CheckpointMade(key, offset, digest):
                self._reply(worker, key, lambda work: self.journal.checkpoint(work, offset, digest))
            case IntentAsked(key, digest, token):
                self._reply(worker, key, lambda work: self.journal.intent(work, digest, token))
            case FenceAsked(keys):
                worker.reply(self.journal.fence([self.works[task_id] for task_id, _ in keys]))
            case Outcomes() as message:
                self.outcomes |= {outcome.task_id: outcome for outcome in message.in_full()}

    def _reply(self, worker, key, write):
        try:
            write(self.works[key.task_id])
        except LeaseLost:
            worker.reply(())
        else:
            worker.reply({key.task_id})


@pytest.fixture
def parent(tmp_path):
    return Parent(tmp_path)


@pytest.fixture
def mother():
    with a_mother() as made:
        yield made


@pytest.fixture(params=["executed", "forked"])
def worker(request):
    start = pool.execute if request.param == "executed" else request.getfixturevalue("mother").start
    with WorkerProcess(start) as made:
        made.set_lease_deadline(boottime() + 60)
        yield made
        if made.is_alive():
            made.kill()


def bytes_written(pid):
    with open(f"/proc/{pid}/io") as file:
        return int(dict(line.split(": ") for line in file)["wchar"])


def ends_within(pidfd, seconds):
    return bool(select.select([pidfd], [], [], seconds)[0])


def test_a_worker_does_one_assignment_after_the_other(parent, worker):
    for number in range(3):
        (parent.root / f"source/f{number}").write_bytes(pattern(5 * number))
        parent.assign(worker, parent.work(number, f"f{number}"))
        assert parent.serve(worker) == Finished(number + 1)
    assert {outcome.result for outcome in parent.outcomes.values()} == {Result.COMPLETED}
    assert (parent.root / "sink/f2").read_bytes() == pattern(10)


def test_a_deadline_that_comes_when_the_worker_was_ended_harms_nobody(worker):
    """The thread that renews the lease goes through the workers while another one ends them, and is to live on."""
    worker.kill()
    worker.set_lease_deadline(boottime() + 60)


def test_the_outcomes_of_a_batch_come_in_one_message(parent, worker):
    for number in range(20):
        (parent.root / f"source/f{number}").write_bytes(b"x")
    parent.assign(worker, *(parent.work(number, f"f{number}") for number in range(20)))
    parent.serve(worker)
    assert [len(message.in_full()) for message in parent.messages if isinstance(message, Outcomes)] == [20]


def test_a_killed_worker_s_file_goes_on_from_the_last_checkpoint(parent, worker):
    size = 130 * MIB + 5
    data = os.urandom(MIB) * 130 + b"12345"
    (parent.root / "source/big").write_bytes(data)
    first = parent.work(1, "big")
    parent.assign(worker, first)
    offset = parent.serve(worker, until=CheckpointMade).offset
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied) as died:
        parent.serve(worker)
    assert died.value.exit_code == -signal.SIGKILL
    checkpoints = tuple(sorted(parent.journal.checkpoints[1].items()))
    again = parent.work(1, "big", epoch=2, token=parent.journal.tokens[1], checkpoints=checkpoints)
    with WorkerProcess() as second:
        second.set_lease_deadline(boottime() + 60)
        before = bytes_written(second.pid)
        parent.assign(second, again)
        parent.serve(second)
        written = bytes_written(second.pid) - before
    outcome = parent.outcomes[1]
    assert outcome.result is Result.COMPLETED
    assert 32 * MIB <= offset <= outcome.bytes_resumed == checkpoints[-1][0]
    assert size - outcome.bytes_resumed <= written < size - outcome.bytes_resumed + MIB
    assert (parent.root / "sink/big").read_bytes() == data
    assert outcome.sha256 == sha256(data)


def test_a_worker_dies_with_its_parent():
    program = (
        "import os, signal, sys\n"
        "from transfers.engine.contracts import Assignment, Place, Verify\n"
        "from transfers.engine.pool import WorkerProcess\n"
        "worker, place = WorkerProcess(), Place('file:///', b'')\n"
        "worker.assign(Assignment(1, 'job', '0badcafe', place, place, Verify.READBACK, ()))\n"
        "worker.receive()\n"  # it is up
        "os.kill(worker.pid, signal.SIGSTOP)\n"  # as good as hanging in a disk: it notices nothing by itself
        "print(worker.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pidfd = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    try:
        assert ends_within(pidfd, 10)
    except AssertionError:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        raise
    finally:
        os.close(pidfd)


def test_a_worker_whose_parent_is_gone_already_does_not_start():
    command = [sys.executable, "-m", "transfers.engine.worker", "0", "0", "1", "20"]
    assert subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize(("size", "last"), [(5 * MIB, SaveToken), (1, FenceAsked), (1, None)])
def test_a_worker_whose_parent_dies_under_it_ends_at_once_and_as_always(parent, worker, size, last):
    """It tried its other works, too, and wrote a traceback for each to the terminal of whoever killed the parent."""
    for name in "ab":
        (parent.root / "source" / name).write_bytes(bytes(size))
    parent.assign(worker, parent.work(1, "a"), parent.work(2, "b"))
    while last and not isinstance(worker.receive(), last):
        pass
    worker.close()
    assert worker._process.poll() == 0
    assert not list((parent.root / "sink").rglob("[ab]"))


def test_a_dead_worker_is_noticed_at_once(parent, worker):
    os.kill(worker.pid, signal.SIGKILL)
    assert select.select([worker], [], [], 10)[0]
    with pytest.raises(WorkerDied):
        worker.receive()
    assert not worker.is_alive()
    with pytest.raises(WorkerDied):
        worker.reply({1})


def test_a_frozen_worker_does_not_block_its_parent(parent, monkeypatch):
    monkeypatch.setattr(pool, "IO_TIMEOUT_SECONDS", 1)
    (parent.root / "source/f").write_bytes(b"")
    works = [parent.work(number, "f") for number in range(20_000)]  # far more than the socket's buffer holds
    with WorkerProcess() as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerDied):
            parent.assign(worker, *works)


def test_signals_for_the_parent_do_not_end_a_worker(parent, worker):
    (parent.root / "source/f").write_bytes(b"x")
    parent.assign(worker, parent.work(1, "f"))
    parent.serve(worker)  # it is up and has set its handlers
    os.kill(worker.pid, signal.SIGTERM)
    os.kill(worker.pid, signal.SIGINT)
    parent.assign(worker, parent.work(2, "f"))
    parent.serve(worker)
    assert parent.outcomes[2].result is Result.COMPLETED


@pytest.mark.parametrize(("stop", "result"), [(Stop.RELEASE, Result.STOPPED), (Stop.CANCEL, Result.CANCELLED)])
def test_a_busy_worker_can_be_stopped_and_goes_on_with_the_next(parent, worker, stop, result):
    (parent.root / "source/big").write_bytes(pattern(MIB) * 4)
    (parent.root / "source/small").write_bytes(b"x")
    worker.set_rate(MIB)
    parent.assign(worker, parent.work(1, "big"))
    parent.serve(worker, until=ProgressMade)
    worker.stop(stop)
    parent.serve(worker)
    assert parent.outcomes[1].result is result
    worker.set_rate(0)
    parent.assign(worker, parent.work(2, "small"))
    parent.serve(worker)
    assert parent.outcomes[2].result is Result.COMPLETED
    assert not (parent.root / "sink/big").exists()


def test_a_worker_past_its_lease_publishes_nothing(parent, worker):
    (parent.root / "source/f").write_bytes(b"x")
    worker.set_lease_deadline(boottime() - 1)
    parent.assign(worker, parent.work(1, "f"))
    parent.serve(worker)
    assert (parent.outcomes[1].result, parent.outcomes[1].reason_code) == (Result.STOPPED, "LEASE_EXPIRED")
    assert list((parent.root / "sink").iterdir()) == []


def test_a_lost_task_is_told_by_the_reply(parent, worker):
    (parent.root / "source/big").write_bytes(pattern(MIB) * 2)
    parent.journal.lose_at = 1
    parent.assign(worker, parent.work(1, "big"))
    parent.serve(worker)
    assert parent.outcomes[1].reason_code == "LEASE_EXPIRED"
    assert list((parent.root / "sink").iterdir()) == []


def timed(parent, worker, work):
    start = time.monotonic()
    parent.assign(worker, work)
    parent.serve(worker)
    return time.monotonic() - start


def test_progress_comes_about_twice_a_second(parent, worker):
    (parent.root / "source/big").write_bytes(pattern(MIB) * 4)
    worker.set_rate(4 * MIB)
    seconds = timed(parent, worker, parent.work(1, "big"))
    assert 1 <= sum(isinstance(message, ProgressMade) for message in parent.messages) <= 2 * seconds + 1


def test_the_rate_is_kept_within_15_percent(parent, worker):
    (parent.root / "source/f").write_bytes(b"")
    (parent.root / "source/big").write_bytes(pattern(MIB) * 8)
    timed(parent, worker, parent.work(1, "f"))  # it is up
    worker.set_rate(8 * MIB)
    seconds = []
    while len(seconds) < 3 and min(seconds, default=9) > 1.15:  # a busy machine may be slow, never fast
        seconds.append(timed(parent, worker, parent.work(1, "big", epoch=len(seconds) + 1)))
    assert min(seconds) == pytest.approx(1, rel=0.15)


def test_an_assignment_number_never_comes_twice(parent, worker):
    (parent.root / "source/f").write_bytes(b"x")
    parent.assign(worker, parent.work(1, "f"))
    parent.serve(worker)
    parent.number = 0
    with pytest.raises(ValueError, match="does not come after"):
        parent.assign(worker, parent.work(1, "f"))


def test_a_worker_knows_no_django():
    program = (
        "import sys, transfers.engine.worker, storage_backends.local\n"
        "sys.exit(any(name.partition('.')[0] == 'django' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_closing_twice_is_harmless():
    worker = WorkerProcess()
    worker.close()
    worker.close()
    assert not worker.is_alive()
