"""The load benchmark: every part runs and measures, and its schedule is open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.service.arrivals import Load, submit_at
from benchmarks.service.browsing import browsing
from benchmarks.service.measuring import Measure, _highest, idempotency, ingest, memory, pages, watchers
from benchmarks.service.served import serve


@pytest.fixture(scope="module")
def served():
    with serve("sqlite") as found:
        yield found


@pytest.mark.parametrize(
    ("part", "options", "names"),
    [
        (ingest, {}, 2),
        (watchers, {"count": 20}, 3),
        (idempotency, {"requests": 10}, 1),
        (memory, {}, 1),
    ],
)
def test_a_part_measures_what_it_says(served, part, options, names):
    found = list(part(served, "sqlite", 0.3, **options))
    assert len(found) == names
    for one in found:
        assert one.verdict in ("", "met", "not met")
        assert one.unit in one.line()


def test_every_event_reaches_every_watcher(served):
    _, delivery, connections = watchers(served, "sqlite", 0.5, count=8)
    assert delivery.details["delivered"] == delivery.details["expected"] == 16
    assert connections.verdict == "met"


def test_equal_submissions_make_one_experiment(served):
    (found,) = idempotency(served, "sqlite", 0, requests=12)
    assert found.value == 1


def test_every_request_of_the_schedule_is_sent_and_answered(served):
    load = submit_at(served.port, 40, 0.5)
    assert (load.sent, load.failed) == (20, 0)
    assert 0 < load.p50_s <= load.p99_s


def test_pages_are_measured_on_a_database_of_the_size_asked_for():
    with serve("sqlite") as served:
        filled, *found = pages(served, "sqlite", 0.1, experiments=200, points=40_000)
        (tail,) = [one for one in found if one.name.startswith("one curve")]
        assert filled.value > 0
        assert tail.details["requests"] >= 20
        assert served.store.curves.sample(["e10000001"], points=10)["e10000001"]["series_1"].total == 96


@pytest.mark.skipif(not Path("/usr/bin/chromium").exists(), reason="Chromium is not installed")
def test_a_browser_waits_for_lines_and_points():
    with serve("sqlite") as served:
        found = list(browsing(served, "sqlite", 0, experiments=200, points=40_000, loads=2, rounds=3))
    assert [one.details["of"] for one in found] == [2, 2, 3]
    painted, filled, drawn = (one.value for one in found)
    assert painted > 0
    assert filled > 0
    assert drawn > 0


@pytest.mark.parametrize("capacity", [15, 70, 1000])
def test_the_highest_rate_is_found_from_below_and_above(capacity):
    def submit(rate):
        p99 = 0.01 if rate <= capacity else 5.0
        return Load(rate=rate, sent=1, failed=0, p50_s=p99, p99_s=p99, generator_cpu=0.1, late_s=0.0)

    found, tried = _highest(submit, 60)
    assert found <= capacity
    assert found > 0.8 * capacity
    assert json.dumps(tried)


def test_a_figure_is_met_at_its_bound_and_not_beyond():
    assert Measure(name="a", value=100.0, unit="ms", at_most=100.0).verdict == "met"
    assert Measure(name="a", value=100.1, unit="ms", at_most=100.0).verdict == "not met"
    assert Measure(name="a", value=1.0, unit="/s", at_least=2.0).verdict == "not met"
