"""The queue between the thread that reads and the one that sleeps."""

import select
import threading

import pytest

from transfers.broker.base import Delivery, Hint
from transfers.broker.inbox import Inbox


@pytest.fixture
def inbox():
    inbox = Inbox()
    yield inbox
    inbox.close()


def delivery(tag):
    return Delivery(Hint((1,)), tag=tag)


def is_readable(inbox, seconds=0.0):
    return bool(select.select([inbox], [], [], seconds)[0])


def test_it_is_readable_exactly_while_something_waits(inbox):
    assert not is_readable(inbox)
    inbox.put(delivery(1))
    inbox.put(delivery(2))
    assert is_readable(inbox)
    assert inbox.take() == delivery(1)
    assert is_readable(inbox)
    assert inbox.take() == delivery(2)
    assert not is_readable(inbox)
    assert inbox.take() is None


def test_take_all_leaves_nothing_to_wake_for(inbox):
    for tag in range(5000):  # more than fit into a socket's buffer
        inbox.put(delivery(tag))
    assert [each.tag for each in inbox.take_all()] == list(range(5000))
    assert not is_readable(inbox)


def test_nothing_is_lost_between_two_threads(inbox):
    putter = threading.Thread(target=lambda: [inbox.put(delivery(tag)) for tag in range(2000)])
    putter.start()
    tags = []
    while len(tags) < 2000:
        assert is_readable(inbox, 5)
        tags.extend(each.tag for each in inbox.take_all())
    putter.join()
    assert tags == list(range(2000))
    assert not is_readable(inbox)
