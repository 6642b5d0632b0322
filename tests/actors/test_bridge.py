"""Ray Tune itself, on trials that take no time."""

from __future__ import annotations

import os
import sys

import ray

from tune_spaces.bridge import run_trials
from tune_spaces.news import TrialNews

ROUNDS = 4


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

    def __init__(self, book):
        self._book = book

    def _add(self, what, number):
        ray.get(self._book.add.remote(what, number, os.getpid()))

    def submit(self, number, overrides):
        self._add("submit", number)

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


def test_a_trial_is_submitted_once_and_one_proxy_serves_trial_after_trial(cluster, tmp_path):
    # The processes of the proxies cannot import a test.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    book = ray.remote(num_cpus=0)(Book).remote()
    course = {"scheduler": "asha", "rounds": ROUNDS, "concurrency": 1, "directory": str(tmp_path)}
    run_trials(Source(3), Runner(book), **course)
    lines = ray.get(book.read.remote())
    assert [line[:2] for line in lines] == [(what, number) for number in (1, 2, 3) for what in ("submit", "events")]
    assert len({pid for *_, pid in lines}) == 1
