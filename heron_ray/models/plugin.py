"""Models of other packages, built so that their initial values depend on the experiment's seed alone."""

from __future__ import annotations

import torch

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.models.seeded import seeded
from heron_ray.models.split import SplitModel
from heron_ray.spec.plugins import PluginModel


def build_plugin(
    spec: PluginModel, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Have the plug-in build its parts on the CPU and bring them to `device`; torch's global generator is as before afterwards.

    Raises:
        SpecError: The plug-in failed, or what it built is no split model.
    """
    with seeded(generator):
        try:
            model = spec.plugin.build(spec.chosen, input_shape, classes)
        except Exception as error:
            raise _refused(spec, f"could not build it: {type(error).__name__}: {error}") from error
    if not isinstance(model, SplitModel):
        raise _refused(spec, f"built a {type(model).__name__}, not a SplitModel")
    for part in (model.front, model.auxiliary, model.back):
        part.to(device)
    return model


def _refused(spec: PluginModel, what: str) -> SpecError:
    return SpecError([SpecIssue(path="model", message=f"the plug-in {spec.name!r} {what}")])
