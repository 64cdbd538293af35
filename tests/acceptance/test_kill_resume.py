"""A slave that ends in the middle of a big file: the next one sends only what is not proven to be there.

How much was sent again is the kernel's figure: what the second slave's workers wrote, and what the first one's partial
held when nobody was left to write it.
"""

import signal

from tests.acceptance.faults import IS_BIG, MIB, TALK_BYTES, BigCopy, bytes_sent, is_alive, one_stack_is_enough
from tests.acceptance.processes import ORPHAN_SECONDS, eventually

SIZE = 2 << 30 if IS_BIG else 256 * MIB
#: Two seconds of it are 48 MiB; with the time that making them durable takes, less than a checkpoint's 64 MiB.
BYTES_PER_SECOND = 24 * MIB
CHECKPOINT_BYTES = 64 * MIB
PART_BYTES = 512 << 10
SECONDS = 60 + SIZE / BYTES_PER_SECOND


def test_after_kill_9_at_most_one_checkpoint_interval_is_sent_again(product):
    copy = BigCopy(product, size=SIZE, bytes_per_second=BYTES_PER_SECOND)
    slave = product.start_slave(concurrency=2)
    copy.wait_for(SIZE * 2 // 5, SECONDS)
    workers = slave.children()
    slave.stop(signal.SIGKILL)
    assert len(workers) == 1, "only one is needed for one file"
    eventually(lambda: not any(map(is_alive, workers)), ORPHAN_SECONDS, "the workers to die with their slave")
    held = copy.held()

    copy.hurry()
    successor = product.start_slave(concurrency=2)
    product.wait_for_job(copy.job, seconds=SECONDS)
    sent_again = held + bytes_sent(successor) - SIZE
    assert 0 <= sent_again <= CHECKPOINT_BYTES
    copy.assert_copied()
    assert copy.task()["attempts"] == 2


def test_after_sigterm_nothing_is_sent_again(product):
    copy = BigCopy(product, size=SIZE, bytes_per_second=BYTES_PER_SECOND)
    slave = product.start_slave(concurrency=1)
    copy.wait_for(SIZE // 4, SECONDS)
    assert slave.stop(signal.SIGTERM) == 0
    held = copy.held()
    assert copy.task()["status"] == "pending"

    copy.hurry()
    successor = product.start_slave(concurrency=1)
    product.wait_for_job(copy.job, seconds=SECONDS)
    sent_again = held + bytes_sent(successor) - SIZE
    assert 0 <= sent_again <= TALK_BYTES < PART_BYTES
    copy.assert_copied()
    assert copy.task()["attempts"] == 1


@one_stack_is_enough
def test_a_partial_that_was_damaged_between_two_lives_is_not_built_upon(product):
    size = 24 * MIB
    copy = BigCopy(product, size=size, bytes_per_second=6 * MIB)
    slave = product.start_slave(concurrency=1)
    copy.wait_for(size // 2)
    slave.stop(signal.SIGTERM)
    damage(copy, offset=MIB)

    copy.hurry()
    successor = product.start_slave(concurrency=1)
    product.wait_for_job(copy.job)
    assert bytes_sent(successor) >= size
    copy.assert_copied()


def damage(copy, offset):
    """Turn one bit of the partial over, and leave no trace in its size and times."""
    [partial] = copy.sink.parent.iterdir()
    with partial.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
