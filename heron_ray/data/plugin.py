"""Data sets of other packages."""

from __future__ import annotations

from heron_ray.data.dataset import Dataset
from heron_ray.errors import DataError
from heron_ray.spec.plugins import PluginData


def load_plugin(spec: PluginData, seed: int) -> Dataset:
    """Have the plug-in load its samples.

    Raises:
        DataError: It failed, or what it loaded is not what it said.
    """
    try:
        dataset = spec.plugin.load(spec.chosen, seed)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"the plug-in {spec.name!r} could not load its data: {type(error).__name__}: {error}") from error
    if not isinstance(dataset, Dataset):
        raise DataError(f"the plug-in {spec.name!r} loaded a {type(dataset).__name__}, not a Dataset")
    if (dataset.input_shape, dataset.classes) != (spec.input_shape, spec.classes):
        raise DataError(
            f"the plug-in {spec.name!r} loaded samples of shape {dataset.input_shape} in {dataset.classes} classes, "
            f"and said {spec.input_shape} in {spec.classes}"
        )
    return dataset
