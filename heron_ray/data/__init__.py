"""Data sets and partitioners: files or a seed in, tensors and index arrays out.

Imports the spec, the errors, numpy and torch; imported by the simulation and the floors above. Knows nothing of models,
methods or processes. Every draw comes from a seed that is passed in.
"""

from heron_ray.data.dataset import Dataset, Split
from heron_ray.data.features import make_transform
from heron_ray.data.partition import partition
from heron_ray.data.registry import load_dataset
from heron_ray.data.report import partition_report

__all__ = ["Dataset", "Split", "load_dataset", "make_transform", "partition", "partition_report"]
