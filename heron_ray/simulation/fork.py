"""Forks: one experiment's checkpoint as the beginning of another.

A forked run's digest is a function of the parent's digest at that round and of its own spec. Where it differs from the parent
in nothing but more rounds, it is the run of that many rounds: same digest, same costs, same diagnoses. Where it differs in what
is trained, what diagnoses found and remembered before is left behind: they watch it anew.
"""

from __future__ import annotations

from dataclasses import replace

from heron_ray.errors import CheckpointError
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fork import changes, require_forkable

WATCHED_ON = ("name", "rounds", "evaluation", "stop", "compute")
"""What a fork may change without being another training to diagnose."""


def fork(checkpoint: Checkpoint, parent: ExperimentSpec, child: ExperimentSpec) -> Checkpoint:
    """The parent's state after a round, for `Simulation(child, ..., start_from=...)`.

    Args:
        checkpoint: The parent's, as it was loaded and verified.
        parent: The spec it belongs to.
        child: The spec of the fork.

    Raises:
        CheckpointError: The checkpoint is not the parent's.
        SpecError: `child` changes what a fork must keep, or has no round left to run.
    """
    if checkpoint.trajectory_hash != parent.trajectory_hash():
        raise CheckpointError(
            f"the checkpoint of round {checkpoint.round} has the trajectory hash {checkpoint.trajectory_hash[:12]}, "
            f"the experiment to fork has {parent.trajectory_hash()[:12]}",
            hint="fork it with the spec it was made with",
        )
    require_forkable(parent, child, after_round=checkpoint.round)
    progress = {**checkpoint.progress, **(checkpoint.progress.get("open_end") or {}), "open_end": None}
    if any(path.partition(".")[0] not in WATCHED_ON for path in changes(parent.canonical(), child.canonical())):
        progress["diagnosed"] = {}
    progress["forked"] = {
        "trajectory_hash": checkpoint.trajectory_hash,
        "round": checkpoint.round,
        "digest": progress["digest"],
    }
    return replace(checkpoint, trajectory_hash=child.trajectory_hash(), progress=progress)
