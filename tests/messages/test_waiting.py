"""Looking for a message: only as long as messages use to come soon."""

import itertools

import pytest

from manyscale.hosting.transport import waiting
from manyscale.hosting.transport.waiting import Patience

LONGEST = waiting._LONGEST


class Clock:
    """Time that passes with every look at a message, and while somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now, self.looks, self.slept = 0, 0, 0
        monkeypatch.setattr(waiting, "perf_counter_ns", lambda: self.now)
        monkeypatch.setattr(waiting.os, "sched_yield", lambda: None)

    def message_after(self, wait):
        """Return the two functions of one wait for a message."""
        comes = self.now + wait

        def ready():
            self.looks += 1
            self.now += 1000
            return self.now >= comes

        def sleep():
            self.slept += 1
            self.now = max(self.now, comes)

        return ready, sleep


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def waits(patience, clock, times):
    """Wait so often as there are times; return how often it slept."""
    before = clock.slept
    for time in times:
        patience.wait(*clock.message_after(time))
    return clock.slept - before


def test_what_is_there_is_taken_without_looking_twice(clock):
    patience = Patience(looks=True)
    patience.wait(*clock.message_after(0))
    assert (clock.looks, clock.slept) == (1, 0)


def test_short_waits_are_looked_through(clock):
    assert waits(Patience(looks=True), clock, [50_000] * 100) == 0


def test_without_the_layer_it_sleeps_at_once(clock):
    patience = Patience(looks=False)
    assert waits(patience, clock, [50_000] * 100) == 100
    assert clock.looks == 100


def test_long_waits_soon_end_the_looking(clock):
    patience = Patience(looks=True)
    assert waits(patience, clock, [10 * LONGEST] * 20) == 20
    before = clock.looks
    waits(patience, clock, [10 * LONGEST] * 20)
    assert clock.looks - before == 20  # one glance each


def test_now_and_then_it_tries_again(clock):
    patience = Patience(looks=True)
    waits(patience, clock, [10 * LONGEST] * 10)
    assert 0 < 640 - waits(patience, clock, [LONGEST // 2] * 640)


def test_it_comes_back_when_waits_become_short(clock):
    patience = Patience(looks=True)
    waits(patience, clock, [100 * LONGEST] * 50)
    waits(patience, clock, [10_000] * 40)
    assert waits(patience, clock, [10_000] * 20) == 0


def test_one_long_wait_among_short_ones_changes_nothing(clock):
    patience = Patience(looks=True)
    waits(patience, clock, [10_000] * 20)
    assert waits(patience, clock, [1000 * LONGEST]) == 1
    assert waits(patience, clock, [10_000] * 20) == 0


def test_looking_ends_in_time(clock):
    patience = Patience(looks=True)
    patience.wait(*clock.message_after(100 * LONGEST))
    assert clock.looks <= LONGEST // 1000 + 2


def test_it_yields_between_two_looks(monkeypatch):
    yielded = []
    monkeypatch.setattr(waiting.os, "sched_yield", lambda: yielded.append(1))
    answers = itertools.chain([False] * 5, itertools.repeat(True))
    Patience(looks=True).wait(lambda: next(answers), pytest.fail)
    assert len(yielded) == 5
