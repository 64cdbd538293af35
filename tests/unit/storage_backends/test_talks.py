"""Many talks of one thread: all of them go on, each comes to its own end, and none waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage_backends.objects import talks as module
from storage_backends.objects.http import Ask, Http
from storage_backends.objects.talks import Talks
from tests.support.http_proxy import Answer, HttpProxy

AT_ONCE = 4


@pytest.fixture
def service():
    """Answers with what it is asked for."""
    with HttpProxy(1) as proxy:
        proxy.answers = lambda asked: Answer(200, {}, asked.target.encode())
        yield proxy


@pytest.fixture
def http(service):
    http = Http(f"http://127.0.0.1:{service.port}", AT_ONCE)
    yield http
    http.close()


@pytest.fixture
def talks(http):
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield Talks(http, AT_ONCE, lambda: threads)


@pytest.fixture
def talk(service):
    def talk(*names):
        """Asks for one after the other."""
        found = []
        for name in names:
            answer = yield Ask("GET", f"http://127.0.0.1:{service.port}/{name}", {})
            found.append(answer and answer.data)
        return found

    return talk


def test_each_talk_comes_to_its_own_end_in_whatever_order_they_are_taken(talks, talk):
    for number in range(30):
        talks.add(b"%d" % number, talk(*(f"{number}-{step}" for step in range(number % 3))))
    for number in sorted(range(30), key=lambda number: number * 7 % 30):
        assert talks.take(b"%d" % number) == [b"/%d-%d" % (number, step) for step in range(number % 3)]


def test_as_many_requests_are_under_way_as_may_be(service, talks, talk):
    """The service answers none before it has all of them."""
    all_there, most, now = threading.Barrier(AT_ONCE), 0, set()

    def answers(asked):
        nonlocal most
        now.add(asked.target)
        most = max(most, len(now))
        all_there.wait(10)
        now.discard(asked.target)
        return Answer(200, {}, asked.target.encode())

    service.answers = answers
    for number in range(3 * AT_ONCE):
        talks.add(b"%d" % number, talk(number))
    assert [talks.take(b"%d" % number) for number in range(3 * AT_ONCE)] == [[b"/%d" % n] for n in range(3 * AT_ONCE)]
    assert most == AT_ONCE


def test_what_a_talk_raises_is_told_for_it_alone(talks, talk):
    def broken():
        yield from talk("f")
        raise ValueError("broken")

    for name, each in ((b"a", talk("a")), (b"b", broken()), (b"c", talk("c"))):
        talks.add(name, each)
    with pytest.raises(ValueError, match="broken"):
        talks.take(b"b")
    assert (talks.take(b"a"), talks.take(b"c")) == ([b"/a"], [b"/c"])


def test_an_answer_that_is_lost_is_none_and_the_talk_goes_on(service, talks, talk):
    service.loses = lambda asked, status: asked.target == "/lost"
    for number in range(3 * AT_ONCE):
        talks.add(b"%d" % number, talk(number, "lost", "after"))
    for number in range(3 * AT_ONCE):
        assert talks.take(b"%d" % number) == [b"/%d" % number, None, b"/after"]


def test_a_service_that_is_gone_answers_nobody(service, talks, talk):
    service.__exit__()
    for number in range(3 * AT_ONCE):
        talks.add(b"%d" % number, talk(number, "again"))
    assert [talks.take(b"%d" % number) for number in range(3 * AT_ONCE)] == [[None, None]] * 3 * AT_ONCE


def test_a_service_that_says_nothing_is_given_up(service, talks, talk, monkeypatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.2)
    goes_on = threading.Event()
    service.answers = lambda asked: goes_on.wait(20) and None
    for number in range(AT_ONCE + 1):
        talks.add(b"%d" % number, talk(number))
    assert [talks.take(b"%d" % number) for number in range(AT_ONCE + 1)] == [[None]] * (AT_ONCE + 1)
    goes_on.set()


def test_what_is_forgotten_is_in_nobodys_way(talks, talk):
    for number in range(3 * AT_ONCE):
        talks.add(b"%d" % number, talk(number))
    talks.take(b"0")
    talks.forget()
    talks.add(b"1", talk("another"))
    assert talks.take(b"1") == [b"/another"]


def test_no_connection_is_open_that_nobody_asks_over(service, talks, talk):
    """Services that serve one connection at a time would wait for a request over it."""
    talks.add(b"a", talk())
    talks.add(b"b", talk("b"))
    talks.take(b"b")
    assert len(talks._http._idle) <= 1
