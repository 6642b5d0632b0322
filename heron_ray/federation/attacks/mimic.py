"""Mimic (Karimireddy et al., ICLR 2022, arXiv 2006.09365)."""

from __future__ import annotations

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.spec.attack import MimicAttack
from heron_ray.vectors import Float32Array


class Mimic(Attack):
    """u' = u_i for one honest client i: nothing to detect, but under label skew the others are outvoted."""

    needs_cohort = True

    def __init__(self, spec: MimicAttack) -> None:
        """Follow `spec`."""
        self._client = spec.client

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        chosen: Float32Array = cohort.honest[self._client % len(cohort.honest)]
        return chosen
