"""Runs on a local executor, with what they told."""

from __future__ import annotations

from heron_ray.simulation import ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import ExperimentSpec


def run(spec: ExperimentSpec) -> tuple[RunResult, list[RoundFinished]]:
    sink = ListSink()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
    return result, [event for event in sink.events if isinstance(event, RoundFinished)]
