"""Zeroth-order estimation: seeded directions, the two-point gradient estimator and a judgement of its estimates.

Pure torch; imports spec and vectors.
"""

from heron_ray.zo.directions import DirectionStream, estimate_scale
from heron_ray.zo.estimator import Seed, ZerothOrderEstimator
from heron_ray.zo.quality import estimator_quality

__all__ = ["DirectionStream", "Seed", "ZerothOrderEstimator", "estimate_scale", "estimator_quality"]
