import pytest
import ray.autoscaler.sdk as sdk

from api.dispatcher import growth
from api.dispatcher.growth import TURN_S, Growth
from api.domain.admission import Resources

ONE, TWO = Resources(cpus=1), Resources(cpus=2)
CPU = {"CPU": 1}


@pytest.fixture
def asked(monkeypatch):
    """What was asked for, one request after another."""
    requests = []
    monkeypatch.setattr(sdk, "request_resources", lambda *, bundles: requests.append(bundles))
    return requests


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(growth.time, "monotonic", lambda: now[0])
    return now


def test_only_what_changed_is_asked_for_and_nothing_in_the_end(asked):
    about = Growth()
    for running, waiting in (([], []), ([], []), ([], [ONE]), ([ONE], []), ([ONE], []), ([], [])):
        about.ask(running, waiting, slots=1)
    about.withdraw()
    assert asked == [[], [CPU], []]


def test_waiting_ones_have_turns_which_begin_when_the_first_comes(asked, clock):
    about = Growth()
    about.ask([], [], slots=2)
    clock[0] += 5 * TURN_S
    about.ask([], [], slots=2)
    for _ in range(4):
        about.ask([], [TWO, ONE], slots=2)
        clock[0] += TURN_S
    assert asked == [[], [CPU] * 3, [CPU] * 2, [CPU], [CPU] * 3]


def test_what_waits_alone_is_asked_for_again_at_every_turn(asked, clock):
    about = Growth()
    for _ in range(2):
        about.ask([], [TWO], slots=1)
        clock[0] += TURN_S
    assert asked == [[CPU] * 2] * 2
