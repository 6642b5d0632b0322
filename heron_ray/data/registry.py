"""Which loader stands behind each `data.kind`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from heron_ray.data.dataset import Dataset
from heron_ray.data.digits import load_digits
from heron_ray.data.e2e_nlg import load_e2e_nlg
from heron_ray.data.image_folder import load_image_folder
from heron_ray.data.mnist import load_mnist
from heron_ray.data.parquet import load_parquet
from heron_ray.data.plugin import load_plugin
from heron_ray.data.prose import load_prose
from heron_ray.data.synthetic import make_clusters
from heron_ray.data.synthetic_tokens import draw_tokens
from heron_ray.data.text import load_text
from heron_ray.spec.data import DataSpec

LOADERS: Final[Mapping[str, Callable[[Any, int], Dataset]]] = MappingProxyType(
    {
        "digits": load_digits,
        "synthetic": make_clusters,
        "synthetic_tokens": draw_tokens,
        "image_folder": load_image_folder,
        "parquet": load_parquet,
        "mnist": load_mnist,
        "prose": load_prose,
        "e2e_nlg": load_e2e_nlg,
        "text": load_text,
        "plugin": load_plugin,
    }
)
"""A new data set is a section in `heron_ray.spec.data`, a file in this room and one line here."""


def load_dataset(spec: DataSpec, seed: int) -> Dataset:
    """Load or draw the data set that a spec's `data` section describes.

    Args:
        spec: The section.
        seed: Used by data sets that are drawn; at least 0.

    Returns:
        The data set, equal bit for bit for an equal section and seed.

    Raises:
        DataError: The data set is missing or corrupt.
    """
    return LOADERS[spec.kind](spec, seed)
