"""On average never more than the rate."""

import pytest

from transfers.engine.ratelimit import BURST_SECONDS, SLICE_SECONDS, TokenBucket


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Bench:
    def __init__(self, rate):
        self.rate, self.is_interrupted, self.clock = rate, False, Clock()
        self.bucket = TokenBucket(
            lambda: self.rate, lambda: self.is_interrupted, clock=self.clock, sleep=self.clock.sleep
        )


@pytest.mark.parametrize("chunk", [1_000, 300_000, 5_000_000])
def test_the_rate_is_kept_whatever_the_chunk(chunk):
    bench = Bench(1_000_000)
    for _ in range(10_000_000 // chunk):
        bench.bucket.take(chunk)
    assert bench.clock.now - 100 == pytest.approx(10, rel=0.01)


def test_no_sleep_is_long():
    bench = Bench(1_000)
    bench.bucket.take(10_000)
    assert max(bench.clock.slept) <= SLICE_SECONDS


def test_idle_time_saves_up_half_a_second_at_most():
    bench = Bench(1_000)
    bench.clock.now += 3600
    bench.bucket.take(1_500)
    assert sum(bench.clock.slept) == pytest.approx(1.5 - BURST_SECONDS, abs=0.01)


def test_no_limit_never_sleeps_and_leaves_no_debt():
    bench = Bench(0)
    bench.bucket.take(1 << 40)
    bench.rate = 1_000
    bench.bucket.take(100)
    assert sum(bench.clock.slept) == pytest.approx(0.1, abs=0.01)


def test_a_new_rate_is_noticed_while_it_waits():
    bench = Bench(1)
    bench.clock.sleep = lambda seconds: setattr(bench, "rate", 1_000_000) or Clock.sleep(bench.clock, seconds)
    bench.bucket._sleep = bench.clock.sleep
    bench.bucket.take(1_000)
    assert bench.clock.now - 100 < 1


def test_a_limit_that_is_lifted_while_it_waits_leaves_no_debt():
    bench = Bench(1)
    bench.bucket._is_interrupted = lambda: setattr(bench, "rate", 0)
    bench.bucket.take(1_000_000)
    bench.rate, bench.bucket._is_interrupted = 1_000, lambda: False
    bench.bucket.take(100)
    assert sum(bench.clock.slept) == pytest.approx(0.1, abs=0.01)


def test_a_stop_is_noticed_while_it_waits():
    bench = Bench(1)
    bench.bucket._sleep = lambda seconds: setattr(bench, "is_interrupted", True)
    bench.bucket.take(1_000_000)


def test_an_interrupt_that_raises_is_passed_on():
    bench = Bench(1)
    bench.bucket._is_interrupted = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bench.bucket.take(1_000_000)
