"""Limits hold exactly, for whoever asks at the same time, and begin anew when their time is over."""

import threading

import pytest
from django.db import connection

from jobs import allowances
from jobs.allowances import Limit, Ration, forget, forget_past, give_back, take
from jobs.models import Allowance

LIMIT = Limit("tests", 5, 60)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000_000.0

    monkeypatch.setattr(allowances.time, "time", lambda: Clock.now)
    return Clock


def granted(limit, times, subject="x"):
    return [take(limit, subject).granted for _ in range(times)]


def test_the_limit_is_granted_and_not_one_more(db, clock):
    assert granted(LIMIT, 7) == [1, 1, 1, 1, 1, 0, 0]
    assert take(LIMIT, "x").wait == 60
    assert granted(LIMIT, 1, subject="y") == [1]
    assert granted(Limit("others", 5, 60), 1) == [1]


def test_refused_tries_do_not_prolong_the_wait(db, clock):
    granted(LIMIT, 6)
    clock.now += 50
    assert take(LIMIT, "x").wait == 10
    clock.now += 10
    assert granted(LIMIT, 6) == [1, 1, 1, 1, 1, 0]


def test_a_portion_is_cut_to_what_is_left(db, clock):
    assert [take(LIMIT, "x", 2).granted for _ in range(4)] == [2, 2, 1, 0]


def test_what_is_given_back_can_be_taken_again(db, clock):
    granted(LIMIT, 5)
    give_back(LIMIT, "x")
    assert granted(LIMIT, 2) == [1, 0]
    forget(LIMIT, "x")
    give_back(LIMIT, "x")
    assert granted(LIMIT, 6) == [1, 1, 1, 1, 1, 0]


def test_what_is_over_is_forgotten_and_nobodys_name_was_ever_kept(db, clock):
    take(LIMIT, "somebody")
    forget_past()
    assert "somebody" not in str(Allowance.objects.values().get())
    clock.now += 61
    forget_past()
    assert not Allowance.objects.exists()


def test_many_at_once_get_the_limit_between_them(transactional_db):
    limit, found = Limit("race", 10, 60), []

    def race():
        try:
            found.extend(granted(limit, 5))
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(found), len(found)) == (10, 30)


def test_two_processes_hand_out_the_limit_between_them_and_seldom_ask(db, clock, django_assert_num_queries):
    limit, rations = Limit("requests", 200, 60), (Ration(), Ration())
    with django_assert_num_queries(20 + 2):
        waits = [ration.wait(limit, "x") for _ in range(150) for ration in rations]
    assert waits.count(0) == 200
    clock.now += 61
    assert [ration.wait(limit, "x") for ration in rations] == [0, 0]


def test_a_ration_does_not_grow_with_those_who_ask(db, clock, monkeypatch):
    monkeypatch.setattr(Ration, "MOST_SUBJECTS", 10)
    ration, limit = Ration(), Limit("requests", 40, 60)
    assert [ration.wait(limit, str(number)) for number in range(50)] == [0] * 50
    assert len(ration._portions) <= 10
