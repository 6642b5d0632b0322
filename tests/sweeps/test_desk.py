from __future__ import annotations

import threading

from api.dispatcher.sweep_desk import Desk
from tune_spaces.news import TrialNews


def news(*scores, ended=False):
    return TrialNews(scores=scores, ended=ended)


def test_a_trial_that_is_begun_twice_is_asked_for_once():
    desk = Desk()
    desk.submit(1)
    desk.submit(2)
    desk.submit(1)
    assert desk.requests().begun == (1, 2)


def test_news_brought_twice_are_told_once_and_in_order():
    desk = Desk()
    desk.submit(1)
    desk.bring({1: news((20, 0.5))})
    desk.bring({1: news((10, 0.4), (20, 0.5), ended=True)})
    assert desk.events(1, after=0, wait_s=0) == news((10, 0.4), (20, 0.5), ended=True)
    assert desk.events(1, after=10, wait_s=0) == news((20, 0.5), ended=True)


def test_a_proxy_that_waits_is_woken_by_news_of_its_own_trial_only():
    desk = Desk()
    desk.submit(1)
    desk.submit(2)
    heard = []
    waiting = threading.Thread(target=lambda: heard.append(desk.events(1, after=0, wait_s=60)))
    waiting.start()
    desk.bring({2: news((10, 0.1))})
    desk.bring({1: news((10, 0.2))})
    waiting.join(30)
    assert heard == [news((10, 0.2))]


def test_silence_is_told_as_no_news():
    desk = Desk()
    desk.submit(1)
    assert desk.events(1, after=0, wait_s=0) == news()


def test_trials_that_are_no_longer_wanted_are_listed_once():
    desk = Desk()
    desk.submit(1)
    desk.stop(1)
    desk.stop(1)
    assert desk.requests().unwanted == (1,)


def test_trials_are_asked_for_in_their_order_though_proxies_come_up_in_any():
    desk = Desk()
    desk.submit(3)
    desk.submit(2)
    assert desk.requests().begun == ()
    desk.submit(1)
    assert desk.requests().begun == (1, 2, 3)


def test_a_proxy_that_never_comes_up_does_not_hold_the_others_back_for_ever(monkeypatch):
    monkeypatch.setattr("api.dispatcher.sweep_desk.HOLD_S", 0.0)
    desk = Desk()
    desk.submit(2)
    assert desk.requests().begun == (2,)
