"""Runs on a local executor that are stopped and taken up again."""

from __future__ import annotations

from pathlib import Path

from heron_ray.simulation import Checkpointer, LocalExecutor, RunResult, Simulation
from heron_ray.spec import ExperimentSpec


def stopped_after(rounds: int, spec: ExperimentSpec, directory: Path) -> Checkpointer:
    """The checkpoints of a run that was stopped after so many rounds."""
    asked = iter([*[False] * rounds, True])
    checkpointer = Checkpointer(directory)
    with LocalExecutor() as executor:
        Simulation(spec, executor, checkpointer=checkpointer, should_stop=lambda: next(asked)).run()
    return checkpointer


def resumed(spec: ExperimentSpec, checkpointer: Checkpointer) -> RunResult:
    """What the run comes to that goes on from the newest checkpoint."""
    with LocalExecutor() as executor:
        return Simulation(spec, executor, checkpointer=checkpointer, resume=True).run()
