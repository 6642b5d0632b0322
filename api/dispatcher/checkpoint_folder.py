"""Who may write an experiment's checkpoints: every attempt has a folder of its own, and takes over that of the one before.

The folder is renamed, so it changes hands in one step: what an attempt that was believed dead wrote before belongs to its
successor, and what it tries to write afterwards finds no folder. It can neither overwrite nor remove a checkpoint that the
successor relies on.

    CHECKPOINTS/EXPERIMENT/attempt-0002/round-00000050/...
"""

from __future__ import annotations

from pathlib import Path

from heron_ray.errors import CheckpointError


def take_over(experiment: Path, *, attempt: int) -> Path:
    """The folder of an attempt, with whatever an earlier one left. Taking it over again changes nothing.

    Args:
        experiment: The folder of the experiment; it is created where it is missing.
        attempt: The number of the attempt.

    Raises:
        CheckpointError: It cannot be written to.
    """
    own = experiment / f"attempt-{attempt:04d}"
    try:
        experiment.mkdir(parents=True, exist_ok=True)
        if not own.is_dir():
            earlier = sorted(path for path in experiment.glob("attempt-*") if path.name < own.name)
            if earlier:
                earlier[-1].rename(own)
            else:
                own.mkdir()
    except OSError as error:
        raise CheckpointError(
            f"cannot write to {experiment}: {error}", hint="free disk space, or mend its permissions"
        ) from error
    return own
