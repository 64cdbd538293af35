"""How long a link waits before it tries again."""

from itertools import islice

from transfers.broker.rabbitmq.link import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, _delays


def test_delays_grow_to_a_limit_and_are_scattered_below_it():
    delays = list(islice(_delays(), 50))
    assert FIRST_DELAY_SECONDS / 2 <= delays[0] <= FIRST_DELAY_SECONDS
    assert all(LONGEST_DELAY_SECONDS / 2 <= delay <= LONGEST_DELAY_SECONDS for delay in delays[10:])
    assert len(set(delays[10:])) > 1
