"""What a slave copies is counted once: while a file is under way, and exactly when it ends."""

import uuid

from transfers.slave.throughput import Throughput

JOB, OTHER = uuid.uuid4(), uuid.uuid4()


def test_a_file_counts_while_it_is_copied_and_is_exact_in_the_end():
    throughput = Throughput()
    throughput.progressed(JOB, (1, 1), 100)
    throughput.progressed(JOB, (1, 1), 250)
    assert throughput.moved() == {JOB: (0, 250)}
    throughput.forget()
    throughput.ended(JOB, (1, 1), 300, is_complete=True)
    assert throughput.moved() == {JOB: (1, 50)}


def test_a_new_attempt_begins_anew():
    throughput = Throughput()
    throughput.progressed(JOB, (1, 1), 100)
    throughput.ended(JOB, (1, 1), 100, is_complete=False)
    throughput.progressed(JOB, (1, 2), 40)
    assert throughput.moved() == {JOB: (0, 140)}


def test_jobs_are_told_apart_and_small_files_are_counted_in_batches():
    throughput = Throughput()
    throughput.copied(JOB, 500, 5000)
    throughput.copied(OTHER, 1, 7)
    assert throughput.moved() == {JOB: (500, 5000), OTHER: (1, 7)}
    throughput.forget()
    assert throughput.moved() == {}
    assert throughput() == 5007 // 30
