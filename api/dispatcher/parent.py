"""Where a forked experiment begins: with the checkpoint its parent left behind, read and verified.

Imports the engine: only the driver's process imports this module, and late.
"""

from __future__ import annotations

from pathlib import Path

from api.dispatcher.order import Order
from api.domain.artifacts import CHECKPOINT, CHECKPOINT_MANIFEST, SPEC
from heron_ray.errors import CheckpointError
from heron_ray.simulation import Checkpointer
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.fork import fork
from heron_ray.spec import ExperimentSpec, parse_spec, read_spec_file


def beginning_of(order: Order, spec: ExperimentSpec, own: Checkpointer) -> Checkpoint | None:
    """What an attempt starts from where it has no checkpoint of its own; None: from round 0, or there are some.

    Raises:
        CheckpointError: What the parent left is not there, is damaged, or is of another round.
        SpecError: The fork changes what it must keep.
    """
    if order.parent is None or own.paths():
        return None
    folder, round = order.parent
    left = _left_by(folder)
    checkpoint = own.load(left / CHECKPOINT)
    if checkpoint.round != round:
        raise CheckpointError(
            f"the fork begins after round {round}, and the checkpoint in {left} is of round {checkpoint.round}",
            hint="fork its parent again",
        )
    return fork(checkpoint, parse_spec(read_spec_file(left / SPEC)), spec)


def _left_by(folder: Path) -> Path:
    """The folder of the last attempt that left a checkpoint."""
    found = [manifest.parents[1] for manifest in folder.glob(f"attempt-*/{CHECKPOINT_MANIFEST}")]
    if not found:
        raise CheckpointError(
            f"the experiment {folder.name}, from which this one is forked, left no checkpoint in {folder}",
            hint="fork another one, or submit this spec anew",
        )
    return max(found, key=lambda attempt: int(attempt.name.removeprefix("attempt-")))
