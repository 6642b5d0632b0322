"""The model of a checkpoint, for those who look at it after a run."""

from __future__ import annotations

from typing import Any

from heron_ray.methods import Method
from heron_ray.models import SplitModel
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.vectors import FlatVector


def restore(model: SplitModel, method: Method[Any], checkpoint: Checkpoint | None) -> FlatVector:
    """Give an initial model the global values of a checkpoint; None leaves it as it is.

    Returns:
        The vector in which the parameters of the client's parts now lie.
    """
    client = FlatVector(model.parts(method.client_parts))
    if checkpoint is not None:
        client.load(checkpoint.vectors["federation/client"], method.shared_parts)
        if method.has_main_server:
            FlatVector({"back": model.back}).load(checkpoint.vectors["server/back"])
    return client
