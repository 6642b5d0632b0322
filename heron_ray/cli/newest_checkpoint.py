"""The newest checkpoint in a folder, for verbs that look at one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from heron_ray.simulation.checkpoint import Checkpoint
    from heron_ray.spec import ExperimentSpec


def newest_checkpoint(spec: ExperimentSpec, directory: Path) -> Checkpoint:
    """The newest one in a folder. Raises CheckpointError if it belongs to another experiment."""
    from heron_ray.errors import CheckpointError
    from heron_ray.simulation import Checkpointer

    checkpointer = Checkpointer(directory)
    paths = checkpointer.paths()
    if not paths:
        raise click.UsageError(f"{directory} holds no checkpoint: make one with heron run FILE --checkpoint-dir {directory}")
    checkpoint = checkpointer.load(paths[0])
    if checkpoint.trajectory_hash != spec.trajectory_hash():
        raise CheckpointError(
            f"checkpoint {paths[0]} belongs to another experiment than the spec",
            hint="give the spec, and the --set, that it was made with",
        )
    return checkpoint
