"""Partitioners: which client holds which training samples. One file per law; each says who owns every sample.

Used by the data room's report and by the simulation. How many clients there are costs no more than numbers per client.
"""

from heron_ray.data.partition.assignment import Indices, Shards
from heron_ray.data.partition.registry import partition

__all__ = ["Indices", "Shards", "partition"]
