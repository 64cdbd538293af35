"""Speed and the time that is left."""

from jobs.terminal.pace import WINDOW_SECONDS, Pace


def pace(*samples):
    made = Pace()
    for sample in samples:
        made.add(*sample)
    return made


def test_nothing_is_foretold_from_one_moment():
    assert pace().eta(1, 1) is None
    assert pace((0, 5, 1)).bytes_per_second == 0


def test_speed_is_that_of_the_last_seconds():
    fast = [(100 + second, 100 + 50 * second, 1) for second in range(1, int(WINDOW_SECONDS) + 5)]
    slow_then_fast = pace((0, 0, 0), (100, 100, 1), *fast)
    assert slow_then_fast.bytes_per_second == 50


def test_the_wait_for_the_first_byte_does_not_count():
    assert pace((0, 7, 0), (50, 7, 0), (60, 7, 0), (61, 107, 0)).bytes_per_second == 100


def test_the_time_left_is_that_of_what_takes_longer():
    both = pace((0, 0, 0), (10, 1000, 10))
    assert both.eta(500, 1) == 5
    assert both.eta(500, 100) == 100
    assert both.eta(0, 100) == 100
    assert both.eta(0, 0) == 0


def test_no_time_is_given_while_bytes_are_left_and_none_moves():
    assert pace((0, 0, 0), (10, 0, 10)).eta(500, 1) is None
    assert pace((0, 5, 0), (10, 1005, 0)).eta(0, 3) is None


def test_a_big_file_alone_is_told_by_its_bytes():
    assert pace((0, 5, 0), (10, 1005, 0)).eta(1000, 1) == 10


def test_work_that_is_done_anew_is_no_negative_speed():
    assert pace((0, 100, 1), (1, 50, 1)).bytes_per_second == 0
