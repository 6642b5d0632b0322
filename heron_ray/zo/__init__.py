"""Zeroth-order estimation: seeded directions and the two-point gradient estimator. Pure torch; imports spec and vectors."""

from heron_ray.zo.directions import draw_direction, estimate_scale
from heron_ray.zo.estimator import ZerothOrderEstimator

__all__ = ["ZerothOrderEstimator", "draw_direction", "estimate_scale"]
