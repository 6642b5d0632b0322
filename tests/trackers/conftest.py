"""The run that trackers are told of, and what it comes to without any."""

from __future__ import annotations

import pytest

from heron_ray.simulation import ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import RoundFinished
from tests.conftest import spec_from

SPEC = spec_from("compute.checkpoint_every=1")
Points = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def undisturbed() -> tuple[RunResult, Points]:
    """The run's result and its points without any tracker."""
    told = ListSink()
    with LocalExecutor() as executor:
        result = Simulation(SPEC, executor, sink=told).run()
    points: Points = {}
    for event in told.events:
        if isinstance(event, RoundFinished):
            for name, value in event.metrics.items():
                points.setdefault(name, []).append((event.round, value))
    return result, points
