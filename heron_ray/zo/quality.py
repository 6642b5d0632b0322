"""How good a zeroth-order estimate (HERON-SFL, 2601.09076, equation 2) is on one batch, judged against backpropagation.

A diagnosis, not a training step: it builds an autograd graph once and holds several vectors of theta's length, which a lean
client never does. Shapes: P = parameters (d in formulas), q = probes, B = samples of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo.estimator import ZerothOrderEstimator


def estimator_quality(
    spec: ZerothOrderSpec, vector: FlatVector, losses: Callable[[], Tensor], seeds: Sequence[int]
) -> dict[str, float]:
    """Judge the estimate that `ZerothOrderEstimator` would make of the gradient of the batch's mean loss.

    With g the gradient by backpropagation, g_zo the estimate, and d_i,p the difference quotient of sample i along the
    direction of probe p (forward or central as `spec` says, without the estimate's scale s):

        estimate_cosine           <g_zo, g> / (|g_zo| |g|)                              1: same direction, 0: orthogonal
        estimate_relative_error   |g_zo - g| / |g|                                      0: exact
        probe_signal_to_noise     (1/q) sum_p  mean_i(d_i,p)^2 / (var_i(d_i,p) / B)     var_i divides by B - 1

    What to expect where mu is small enough for the loss to be linear along a probe and for its differences to stand above
    float32 rounding. With U [P, q] the directions scaled so that E[u u^T] = I, g_zo = U U^T g / q.

    - Relative error: E|u u^T g|^2 = E[|u|^2 <u, g>^2] is d |g|^2 on the sphere and for random signs, where |u|^2 = d, and
      (d + 2) |g|^2 for N(0, I). Take away |E[u u^T g]|^2 = |g|^2 and average q independent probes: the root mean square
      over seeds is sqrt((d - 1) / q), or sqrt((d + 1) / q) for N(0, I).
    - Cosine: for N(0, I), w = U^T g / |g| is N(0, I_q), and the part of U w orthogonal to g is |w| times an independent
      normal vector of d - 1 coordinates. So cos^2 = |w|^2 / (|w|^2 + chi^2_(d-1)) is Beta(q/2, (d-1)/2), of mean
      q / (q + d - 1): the cosine is about sqrt(q / d) while q is far below d. The sphere shares this law at q = 1, all laws
      share the mean at q = 1, and for larger q they come close to it.
    - Signal to noise: about 1 where a probe sees nothing but which samples the batch happened to hold, exactly
      (B - 1) / (B - 3) for normal d_i of mean 0 and B > 3; 1 + B mean^2 / var where the d_i share a mean.

    Values are finite for finite losses. Where a formula divides by zero:

    - The cosine is 0 if g or g_zo is zero: there is no direction to agree with. g_zo is zero, and the relative error 1, also
      where mu is so small that float32 rounding of the mean loss swallows every difference; signal to noise does not show
      that, because it averages the samples' differences in float64.
    - If g is zero, the relative error is 0 where g_zo is zero too, else 1: with no gradient to measure the error against,
      it is measured against the estimate, of which it is the whole.
    - A batch of one sample has signal to noise 0: it shows nothing of the spread between samples. So has a probe along
      which the mean loss does not change at all.
    - var_i is taken to be no less than (eps max|l| / a)^2 / B, with a the length of a quotient's step (mu or 2 mu, which
      cancels), eps the spacing of float32 numbers at 1 and l the losses of the probe. It is the spread of B equal
      differences of which one is off by one unit in the last place, about the least that float32 losses can show, and it
      bounds the ratio.

    Args:
        spec: The estimator to judge.
        vector: theta [P]. Afterwards, also after an error, its parameters and running statistics, its buffers, and the
            parameters' `requires_grad` and `.grad` are bit for bit what they were.
        losses: Gives the losses [B] of the present theta on one batch, differentiable if parameters require gradients;
            any randomness in it must repeat from call to call. It is called once with a graph and then, without, as often
            as the estimate takes forward passes.
        seeds: One per probe: the same seeds give the same bits.

    Returns:
        The three values by series name.

    Raises:
        ValueError: If there are not as many seeds as the spec has probes.
    """
    if len(seeds) != spec.probes:
        raise ValueError(f"{len(seeds)} seeds for {spec.probes} probes: every probe takes one")
    forward = spec.difference == "forward"
    evaluated: list[Tensor] = []

    def mean_loss() -> Tensor:
        evaluated.append(losses())
        return evaluated[-1].mean()

    with _put_back(vector), vector.hold_statistics():
        gradient = _gradient(vector, losses)
        with torch.no_grad():
            loss_at_theta = mean_loss() if forward else torch.empty(0)
            estimate = ZerothOrderEstimator(spec, vector).estimate(mean_loss, loss_at_theta, seeds).double()
    above, below = (evaluated[1:], evaluated[:1] * spec.probes) if forward else (evaluated[::2], evaluated[1::2])
    ratios = [_signal_to_noise(*pair) for pair in zip(above, below, strict=True)]
    return {
        "estimate_cosine": _cosine(estimate, gradient),
        "estimate_relative_error": _relative_error(estimate, gradient),
        "probe_signal_to_noise": sum(ratios) / len(ratios),
    }


def _gradient(vector: FlatVector, losses: Callable[[], Tensor]) -> Tensor:
    """The gradient of the mean loss [P], float64, by backpropagation that leaves no trace on the parameters."""
    parameters = vector.parameters
    required = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            pieces = torch.autograd.grad(losses().mean(), parameters, allow_unused=True, materialize_grads=True)
    finally:
        for parameter, flag in zip(parameters, required, strict=True):
            parameter.requires_grad_(flag)
    return torch.cat([piece.flatten() for piece in pieces]).double()


@contextmanager
def _put_back(vector: FlatVector) -> Iterator[None]:
    """Lend the vector's numbers and, since an estimator of its own may be at work in its buffers, an empty set of those."""
    state, buffers = vector.state.clone(), vector.buffers
    vector.buffers = {}
    try:
        yield
    finally:
        vector.state.copy_(state)
        vector.buffers = buffers


def _cosine(estimate: Tensor, gradient: Tensor) -> float:
    lengths = float(estimate.norm() * gradient.norm())
    return float(estimate @ gradient) / lengths if lengths else 0.0


def _relative_error(estimate: Tensor, gradient: Tensor) -> float:
    error, length = float((estimate - gradient).norm()), float(gradient.norm())
    if length:
        return error / length
    return 1.0 if error else 0.0


def _signal_to_noise(above: Tensor, below: Tensor) -> float:
    """mean^2 / (var / B) of the differences between two sets of losses [B]; the length of the step cancels."""
    samples = len(above)
    differences = above.double() - below.double()
    signal = float(differences.mean().square())
    if samples == 1 or signal == 0:
        return 0.0
    unit = torch.finfo(torch.float32).eps * float(torch.maximum(above.abs(), below.abs()).max())
    variance = max(float(differences.var()), unit**2 / samples)
    return signal / (variance / samples)
