"""Which builder belongs to which model section: one line per model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from heron_ray.models.cnn import build_cnn
from heron_ray.models.lora import adapt
from heron_ray.models.mlp import build_mlp
from heron_ray.models.plugin import build_plugin
from heron_ray.models.resnet18 import build_resnet18
from heron_ray.models.split import SplitModel
from heron_ray.seeds import Purpose, derive
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.gpt2 import Gpt2Model
from heron_ray.spec.model import ModelSpec


def _build_gpt2(*arguments: Any) -> SplitModel:
    """As the other builders; only who wants this model imports transformers, which takes seconds."""
    from heron_ray.models.gpt2 import build_gpt2

    return build_gpt2(*arguments)


def _build_vit(*arguments: Any) -> SplitModel:
    """The same for vision transformers."""
    from heron_ray.models.vit import build_vit

    return build_vit(*arguments)


BUILDERS: Final[Mapping[str, Callable[..., SplitModel]]] = {
    "mlp": build_mlp,
    "cnn": build_cnn,
    "resnet18": build_resnet18,
    "vit": _build_vit,
    "gpt2": _build_gpt2,
    "plugin": build_plugin,
}


def build_model(
    spec: ModelSpec, *, input_shape: tuple[int, ...], classes: int, seed: int, device: torch.device | str = "cpu"
) -> SplitModel:
    """Build the split model with initial weights that depend on `seed` alone.

    Args:
        spec: The model section.
        input_shape: Shape of one sample.
        classes: Number of classes.
        seed: The experiment's seed.
        device: cpu, cuda, or meta for a model without values.
    """
    generator = torch.Generator().manual_seed(derive(seed, Purpose.MODEL))
    model = BUILDERS[spec.kind](spec, input_shape, classes, generator, torch.device(device))
    if isinstance(spec, Gpt2Model):
        if spec.lora is not None:
            from heron_ray.models.gpt2_lora import adapt_gpt2

            adapt_gpt2(model, spec.lora, torch.Generator().manual_seed(derive(seed, Purpose.ADAPTERS)))
    elif spec.lora is not None:
        adapters = torch.Generator().manual_seed(derive(seed, Purpose.ADAPTERS))
        adapt(model.front, spec.lora, adapters)
        adapt(model.back, spec.lora, adapters)
    return model


def initial_model(spec: ExperimentSpec, device: torch.device | str = "cpu") -> SplitModel:
    """The model that an experiment begins with, by its spec alone: no data are opened."""
    return build_model(spec.model, input_shape=spec.data.input_shape, classes=spec.data.classes, seed=spec.seed, device=device)
