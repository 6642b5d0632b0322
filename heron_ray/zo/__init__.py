"""Zeroth-order estimation: seeded directions and the two-point gradient estimator. Pure torch; imports spec and vectors."""

from heron_ray.zo.directions import DirectionStream, estimate_scale
from heron_ray.zo.estimator import ZerothOrderEstimator

__all__ = ["DirectionStream", "ZerothOrderEstimator", "estimate_scale"]
