"""The trained model as a file that needs neither heron-ray nor a checkpoint's layout: named tensors, never pickle."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn

from heron_ray.methods import make_method
from heron_ray.models import SplitModel, initial_model
from heron_ray.models.split import Part
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.digest import TrajectoryDigest, final_parameters
from heron_ray.simulation.messages import OWN
from heron_ray.simulation.restore import restore
from heron_ray.spec import ExperimentSpec

PARTS: tuple[Part, ...] = ("front", "auxiliary", "back")


def export_model(spec: ExperimentSpec, checkpoint: Checkpoint, path: Path) -> None:
    """Write the model of a checkpoint as safetensors.

    Tensors are named `PART.NAME` with the parts front, auxiliary and back; where clients have parts of their own, these are
    `clients.CLIENT.PART.NAME`, and `PART.NAME` is what every client began with. The header holds `spec_hash`,
    `trajectory_hash`, `trajectory_digest`, `round` and the `version` of heron-ray.

    Args:
        spec: The experiment.
        checkpoint: Its state after a round.
        path: The file to write.
    """
    header = {
        "spec_hash": spec.spec_hash(),
        "trajectory_hash": spec.trajectory_hash(),
        "trajectory_digest": digest_of(checkpoint),
        "round": str(checkpoint.round),
        "version": version("heron-ray"),
    }
    save_file(dict(_tensors(spec, checkpoint)), path, metadata=header)


def digest_of(checkpoint: Checkpoint) -> str:
    """The trajectory digest of a run that ended with this checkpoint."""
    return TrajectoryDigest(checkpoint.progress["digest"]).close(final_parameters(checkpoint.vectors))


def _tensors(spec: ExperimentSpec, checkpoint: Checkpoint) -> Iterator[tuple[str, NDArray[np.generic]]]:
    method, vectors = make_method(spec.method), checkpoint.vectors
    model = initial_model(spec)
    client = restore(model, method, checkpoint)
    yield from _named(model, PARTS)
    prefix, suffix = "federation/kept.", f".{OWN}"
    for name in vectors:
        if name.startswith(prefix) and name.endswith(suffix):
            client.load(vectors[name], method.own_parts)
            number = name.removeprefix(prefix).removesuffix(suffix)
            for tensor_name, tensor in _named(model, method.own_parts):
                yield f"clients.{number}.{tensor_name}", tensor


def _named(model: SplitModel, parts: tuple[Part, ...]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Everything a forward pass needs, constants that are drawn from the seed included."""
    for part, module in model.parts(parts).items():
        for name, tensor in all_tensors(module):
            yield f"{part}.{name}", tensor.detach().numpy().copy()


def all_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """What a part's file holds, by name: its parameters and its buffers."""
    yield from module.named_parameters()
    yield from module.named_buffers()
