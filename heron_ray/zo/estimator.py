"""The two-point gradient estimate from forward passes (HERON-SFL, 2601.09076, equation 2).

    forward:  g = (1/q) sum_p  s * [L(theta + mu u_p) - L(theta)] / mu * u_p                   q + 1 forward passes
    central:  g = (1/q) sum_p  s * [L(theta + mu u_p) - L(theta - mu u_p)] / (2 mu) * u_p      2q forward passes

with s = d for directions on the unit sphere and 1 otherwise. theta is restored from a kept copy, never by subtracting
the perturbation again, so it does not drift. Shapes: P = parameters, q = probes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo.directions import draw_direction, estimate_scale


class ZerothOrderEstimator:
    """Estimates gradients with respect to one flat vector.

    Holds two vectors beside theta (the copy of theta, which later becomes the estimate, and the direction), and a third
    where `spec.replay` is false.

    Args:
        spec: Perturbation scale, number of probes, direction law, kind of difference.
        vector: The parameters theta [P], and the buffers beside them.
    """

    def __init__(self, spec: ZerothOrderSpec, vector: FlatVector) -> None:
        """Take the buffers."""
        self._spec = spec
        self._theta = vector.data
        self._base = vector.buffer("kept_parameters")
        self._direction = vector.buffer("direction")
        self._sum = self._base if spec.replay else vector.buffer("estimate")
        self._scale = estimate_scale(spec.direction, len(vector))

    def estimate(self, loss: Callable[[], Tensor], loss_at_theta: Tensor, seeds: Sequence[int]) -> Tensor:
        """The gradient estimate [P] at theta; theta is unchanged afterwards.

        Args:
            loss: Evaluates the loss (a scalar) of the present theta on this step's batch; any randomness in it must
                repeat from call to call.
            loss_at_theta: L(theta), from the forward pass that also gave the smashed data; unused by central differences.
            seeds: One per probe.

        Returns:
            A buffer of this estimator, valid until the next call; the caller may use it as scratch space.
        """
        theta, base = self._theta, self._base.copy_(self._theta)
        coefficients = []
        for seed in seeds:
            coefficients.append(self._probe(loss, loss_at_theta, seed))
            if not self._spec.replay:
                self._accumulate(coefficients[-1], first=len(coefficients) == 1)
        theta.copy_(base)
        if self._spec.replay:
            for number, (seed, coefficient) in enumerate(zip(seeds, coefficients, strict=True)):
                self._draw(seed)
                self._accumulate(coefficient, first=number == 0)
        return self._sum

    def _probe(self, loss: Callable[[], Tensor], loss_at_theta: Tensor, seed: int) -> Tensor:
        """The coefficient of one direction: scale * difference / (mu q)."""
        spec = self._spec
        u = self._draw(seed)
        torch.add(self._base, u, alpha=spec.mu, out=self._theta)
        above = loss()
        if spec.difference == "forward":
            return (above - loss_at_theta).mul_(self._scale / (spec.mu * spec.probes))
        torch.add(self._base, u, alpha=-spec.mu, out=self._theta)
        return (above - loss()).mul_(self._scale / (2 * spec.mu * spec.probes))

    def _draw(self, seed: int) -> Tensor:
        return draw_direction(self._spec.direction, seed, self._direction)

    def _accumulate(self, coefficient: Tensor, *, first: bool) -> None:
        """Add coefficient * u to the estimate; the first one overwrites it."""
        if first:
            torch.mul(self._direction, coefficient, out=self._sum)
        else:
            self._sum.addcmul_(self._direction, coefficient)
