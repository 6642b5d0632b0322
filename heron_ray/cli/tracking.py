"""Trackers as `heron run` and `heron export` name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from heron_ray.spec import parse_spec
from heron_ray.trackers import Run, Tracker, TrackerSink

if TYPE_CHECKING:
    from heron_ray.reports import Record
    from heron_ray.simulation.checkpoint import Checkpoint
    from heron_ray.spec import ExperimentSpec


def sinks_of(
    spec: ExperimentSpec, start_from: Checkpoint | None, *, tensorboard: Path | None, mlflow: str | None
) -> list[TrackerSink]:
    """The sinks of a run that is about to start; a run that begins at another's checkpoint is another run.

    Raises:
        MissingToolError: A package is not installed.
    """
    key = spec.trajectory_hash()
    if start_from is not None:
        key = f"{start_from.progress['digest']}-{key}"
    run = Run(name=spec.name, key=key, spec=spec.canonical())
    return [TrackerSink(tracker) for tracker in trackers_of(run, tensorboard=tensorboard, mlflow=mlflow)]


def trackers_of(
    run: Run, *, tensorboard: Path | None = None, mlflow: str | None = None, wandb: Path | None = None
) -> Iterator[Tracker]:
    """Those that are named. Raises MissingToolError."""
    if tensorboard is not None:
        from heron_ray.trackers.tensorboard import TensorBoard

        yield TensorBoard(tensorboard, run)
    if mlflow is not None:
        from heron_ray.trackers.mlflow import MLflow

        yield MLflow(mlflow, run)
    if wandb is not None:
        from heron_ray.trackers.wandb import WeightsAndBiases

        yield WeightsAndBiases(wandb, run)


def run_of(record: Record) -> Run:
    """What trackers call a run that is over: by its id in the service, or by its spec where it ran here."""
    from heron_ray.reports import is_local

    if record.spec is None:
        return Run(name=record.name, key=record.origin[-40:], spec={})
    key = parse_spec(dict(record.spec)).trajectory_hash() if is_local(record.origin) else record.origin
    return Run(name=record.name, key=key, spec=record.spec)
