"""Ray Tune itself, on trials that take no time."""

from __future__ import annotations

import os
import sys
import time

import pytest
import ray

from tune_spaces.bridge import TrialProxy, run_trials
from tune_spaces.news import TrialNews

ROUNDS = 4
SLOW_S = 3.0


class Book:
    """Everything that the proxies asked for, in order."""

    def __init__(self):
        self.lines = []

    def add(self, *line):
        self.lines.append(line)

    def read(self):
        return self.lines


class Runner:
    """Trials that are at their last round as soon as they are asked for; called by the proxies, in their own processes."""

    def __init__(self, book, slow=None):
        self._book, self._slow = book, slow

    def _add(self, what, number):
        ray.get(self._book.add.remote(what, number, os.getpid()))

    def submit(self, number, overrides):
        self._add("submit", number)
        if number == self._slow and os.getpid() not in self._pids():
            time.sleep(SLOW_S)

    def _pids(self):
        """Of the proxies that have heard of a trial's end."""
        return {pid for what, _, pid in ray.get(self._book.read.remote()) if what == "events"}

    def events(self, number, *, after):
        self._add("events", number)
        return TrialNews(scores=[(ROUNDS, number / 10)], ended=True)

    def stop(self, number):
        self._add("stop", number)


class Source:
    def __init__(self, count):
        self._numbers = iter(range(1, count + 1))

    def next_trial(self):
        number = next(self._numbers, None)
        return None if number is None else (number, {"seed": number})


@pytest.fixture
def read_by_value():
    """The processes of the proxies cannot import a test."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_a_trial_is_submitted_once_and_one_proxy_serves_trial_after_trial(cluster, tmp_path, read_by_value):
    book = ray.remote(num_cpus=0)(Book).remote()
    course = {"scheduler": "asha", "rounds": ROUNDS, "concurrency": 1, "directory": str(tmp_path)}
    run_trials(Source(3), Runner(book), **course)
    lines = ray.get(book.read.remote())
    assert [line[:2] for line in lines] == [(what, number) for number in (1, 2, 3) for what in ("submit", "events")]
    assert len({pid for *_, pid in lines}) == 1


def test_a_trial_that_goes_to_a_free_proxy_while_its_own_comes_up_is_not_told_to_stop(cluster, tmp_path, read_by_value):
    book = ray.remote(num_cpus=0)(Book).remote()
    course = {"scheduler": "none", "rounds": ROUNDS, "concurrency": 2, "directory": str(tmp_path)}
    run_trials(Source(4), Runner(book, slow=2), **course)
    lines = ray.get(book.read.remote())
    assert {number for what, number, _ in lines if what == "events"} == set(range(1, 5))
    assert [line for line in lines if line[0] == "stop"] == []


class Brittle:
    """A runner in this process: a report of round 1, or an error."""

    def __init__(self):
        self.is_broken = False
        self.stopped = []

    def submit(self, number, overrides):
        pass

    def events(self, number, *, after):
        if self.is_broken:
            raise ConnectionError
        return TrialNews(scores=[(1, 0.5)], ended=False)

    def stop(self, number):
        self.stopped.append(number)


def test_only_a_proxy_that_has_just_reported_can_be_told_to_end_its_trial():
    runner, proxy = Brittle(), TrialProxy.__new__(TrialProxy)
    proxy.setup({"trial": {"number": 7, "overrides": {}}}, runner)
    proxy.cleanup()
    proxy.step()
    runner.is_broken = True
    with pytest.raises(ConnectionError):
        proxy.step()
    proxy.cleanup()
    assert runner.stopped == []
    runner.is_broken = False
    proxy.step()
    proxy.cleanup()
    assert runner.stopped == [7]
