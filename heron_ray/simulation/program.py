"""A trained model as a program that plain torch runs: neither heron-ray nor its layers are needed to load it.

    model.pt2       x [B, *input] to the main server's logits [B, C]: front model and back model
    client.pt2      x [B, *input] to the client's own logits [B, C]: front model and auxiliary head
    model.safetensors   the tensors, by part and name
    config.json     what the model is, and which run it comes from

The programs are torch.export's: a graph of torch's operators with its weights, for any batch size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from heron_ray.errors import RecordError
from heron_ray.methods import make_method
from heron_ray.models import SplitModel, initial_model
from heron_ray.models.split import Part
from heron_ray.simulation.export import PARTS, all_tensors
from heron_ray.spec import ExperimentSpec

PROGRAMS: Mapping[str, tuple[Part, Part]] = {"model.pt2": ("front", "back"), "client.pt2": ("front", "auxiliary")}
CONFIG = "config.json"
TRACED_BATCH = 4


def export_programs(spec: ExperimentSpec, model_file: Path, directory: Path, *, client: int | None = None) -> list[Path]:
    """Write both programs and the configuration.

    Args:
        spec: The experiment.
        model_file: Its `model.safetensors`.
        directory: Where to; it exists.
        client: Whose parts, where clients have parts of their own.

    Returns:
        The files.

    Raises:
        RecordError: The file is not that experiment's model, or `client` is not as the method needs it.
    """
    tensors, header = _read(model_file)
    if header.get("trajectory_hash") != spec.trajectory_hash():
        raise RecordError(f"{model_file} is the model of another experiment than the spec")
    model = _build(spec, _tensors_of(tensors, make_method(spec.method).own_parts, client))
    batch = torch.export.Dim("batch")
    written = []
    for name, parts in PROGRAMS.items():
        module = nn.Sequential(*model.parts(parts).values()).eval()
        x = torch.zeros(TRACED_BATCH, *spec.data.input_shape)
        program = torch.export.export(module, (x,), dynamic_shapes=({0: batch},))
        torch.export.save(program, directory / name)
        written.append(directory / name)
    config = {
        "name": spec.name,
        "method": spec.method.kind,
        "model": spec.canonical()["model"],
        "input_shape": list(spec.data.input_shape),
        "classes": spec.data.classes,
        "client": client,
        "torch": torch.__version__,
        **header,
    }
    (directory / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return [*written, directory / CONFIG]


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(file, "pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise RecordError(f"{file} cannot be read: {error}") from None


def _tensors_of(tensors: Mapping[str, Tensor], own_parts: tuple[Part, ...], client: int | None) -> dict[str, Tensor]:
    """By part and name: those that all share, and over them the client's own."""
    shared = {name: tensor for name, tensor in tensors.items() if not name.startswith("clients.")}
    if not own_parts:
        if client is not None:
            raise RecordError("the clients of this method have no parts of their own: leave the client out")
        return shared
    prefix = f"clients.{client}."
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if not own:
        known = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("clients.")})
        raise RecordError(
            "the clients of this method have parts of their own: say whose model it is",
            hint=f"one of those that were ever sampled: {', '.join(map(str, known[:20]))}",
        )
    return shared | own


def _build(spec: ExperimentSpec, tensors: Mapping[str, Tensor]) -> SplitModel:
    model = initial_model(spec)
    for part in PARTS:
        for name, value in all_tensors(getattr(model, part)):
            found = tensors.get(f"{part}.{name}")
            if found is None or found.shape != value.shape:
                raise RecordError(f"the file's {part} model is not the spec's: {part}.{name} is missing, or has another shape")
            with torch.no_grad():
                value.copy_(found)
    return model
