"""Differential privacy of what clients send: the Gaussian mechanism, and what it costs in epsilon.

Pure numpy and torch; it knows nothing of rounds or roles. The simulation imports it. What epsilon here protects, and what it
does not, is in docs/privacy.md.
"""

from heron_ray.privacy.accountant import gaussian_epsilon, renyi_epsilon, sampled_renyi
from heron_ray.privacy.gaussian import ClipSamples, clip_rows, release
from heron_ray.privacy.secure_aggregation import SecureAggregation, secure_aggregation

__all__ = [
    "ClipSamples",
    "SecureAggregation",
    "clip_rows",
    "gaussian_epsilon",
    "release",
    "renyi_epsilon",
    "sampled_renyi",
    "secure_aggregation",
]
