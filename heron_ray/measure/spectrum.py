"""The spectrum of a Hessian from Hessian-vector products alone: density, norm, trace, effective rank.

Three estimates share their products H v:

- Density: stochastic Lanczos quadrature (Ubaru, Chen and Saad, SIAM J. Matrix Anal. Appl. 38(4), 2017). m steps of Lanczos from
  a random unit vector give a tridiagonal T with eigenvalues theta_j; with tau_j the first components of T's eigenvectors,
  sum_j tau_j^2 f(theta_j) estimates tr f(H) / d for any f. Means are taken over q such vectors.
- Norm: the largest |theta_j| of all of them. It is never above ||H||, and converges from below first of all there.
- Trace: Hutch++ (Meyer, Musco, Musco and Woodruff, arXiv 2010.09649). With Q an orthonormal basis of H s_1 .. H s_q,
  tr(Q^T H Q) is taken exactly, and what is left by Hutchinson's mean of g^T H g over q other vectors g, from which their part
  in Q was taken away. Few large eigenvalues, which make Hutchinson's own mean scatter, lie in Q.

The effective rank is kappa = tr(H) / ||H||, which takes the place of d in Theorem 2 of HERON-SFL (arXiv 2601.09076).
All random vectors have random signs as coordinates. Shapes: d = parameters, m = Lanczos steps, q = probes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from heron_ray.seeds import generator

Product: TypeAlias = Callable[[Tensor], Tensor]
"""v [d] to H v [d]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """What products with a symmetric H [d, d] tell of its eigenvalues.

    Attributes:
        size: d.
        norm: The largest |eigenvalue| that Lanczos found, at most ||H||.
        norm_residual: An eigenvalue of H lies within so much of it.
        trace: tr(H), estimated without bias.
        trace_error: The standard error of that.
        positive_trace: The sum of the positive eigenvalues, by quadrature; with `trace`, it tells how indefinite H is.
        nodes: Of the density, ascending.
        weights: Of the nodes; they sum to 1.
        products: How many H v were computed.
    """

    size: int
    norm: float
    norm_residual: float
    trace: float
    trace_error: float
    positive_trace: float
    nodes: tuple[float, ...]
    weights: tuple[float, ...]
    products: int

    @property
    def effective_rank(self) -> float:
        """Kappa = tr(H) / ||H||, between -d and d; 0 where H is zero."""
        return self.trace / self.norm if self.norm else 0.0

    def merged(self, most: int) -> tuple[list[float], list[float]]:
        """Nodes and weights [n], n at most `most`: of more, those in one of `most` equal cells become one, at their mean."""
        if len(self.nodes) <= most:
            return list(self.nodes), list(self.weights)
        nodes, weights = np.array(self.nodes), np.array(self.weights)
        cells = np.searchsorted(np.linspace(nodes[0], nodes[-1], most + 1)[1:-1], nodes)
        masses, moments = np.bincount(cells, weights), np.bincount(cells, weights * nodes)
        kept = masses > 0
        return (moments[kept] / masses[kept]).tolist(), masses[kept].tolist()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "effective_rank": self.effective_rank, "nodes": list(self.nodes), "weights": list(self.weights)}


def hessian_product(loss: Tensor, parameters: Sequence[Tensor]) -> Product:
    """Products with the Hessian of a loss, by double backward: one more backward pass through a graph that is kept.

    Args:
        loss: A scalar, twice differentiable in the parameters; second derivatives of kinks such as ReLU's count as zero.
        parameters: Those of the Hessian, in order; each requires a gradient.
    """
    with torch.enable_grad():
        pieces = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
        gradient = torch.cat([piece.flatten() for piece in pieces])

    def product(vector: Tensor) -> Tensor:
        if not gradient.requires_grad:  # a loss that is linear in all parameters
            return torch.zeros_like(vector)
        with torch.enable_grad():
            slope = torch.dot(gradient, vector)
        found = torch.autograd.grad(slope, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        return torch.cat([piece.flatten() for piece in found]).detach()

    return product


def spectrum(
    product: Product,
    size: int,
    *,
    lanczos_steps: int,
    seeds: Sequence[int],
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Spectrum:
    """Estimate the spectrum of a symmetric H.

    q (m + 2) products are made, and m + 2 q vectors of d numbers held.

    Args:
        product: v [d] to H v [d], in the given precision and on the given device.
        size: d.
        lanczos_steps: m; no more than d are made.
        seeds: 2 q of them, q at least 2: of the vectors Lanczos starts from, then of those that meet the rest of the trace. The
            same seeds give the same bits.
        dtype: Precision of all vectors.
        device: Where they live; None: the CPU.

    Returns:
        The estimates; not a number, without nodes, where a product is not finite.

    Raises:
        ValueError: There are fewer than 4 seeds or an odd number of them.

    Example:
        >>> values = torch.tensor([4.0, 1.0, 0.0, -1.0], dtype=torch.float64)
        >>> found = spectrum(lambda v: values * v, 4, lanczos_steps=4, seeds=range(8))
        >>> round(found.norm, 6), round(found.trace, 6), round(found.effective_rank, 6)
        (4.0, 4.0, 1.0)
    """
    if len(seeds) < 4 or len(seeds) % 2:
        raise ValueError(f"{len(seeds)} seeds: two per probe are needed, of at least two probes")
    probes, made = len(seeds) // 2, 0

    def counted(vector: Tensor) -> Tensor:
        nonlocal made
        made += 1
        return product(vector)

    vectors = [_signs(size, seed, dtype, device) for seed in seeds]
    sketch: list[Tensor] = []
    runs: list[tuple[Tensor, Tensor, Tensor]] = []
    for vector in vectors[:probes]:
        first, diagonal, beside, left_over = _lanczos(counted, vector / math.sqrt(size), lanczos_steps)
        if not bool(torch.isfinite(diagonal).all() and torch.isfinite(beside).all()):
            return _nothing(size, made)
        sketch.append(first)
        tridiagonal = torch.diag(diagonal) + torch.diag(beside, 1) + torch.diag(beside, -1)
        nodes, rows = torch.linalg.eigh(tridiagonal)
        runs.append((nodes, rows[0].square(), left_over * rows[-1].abs()))
    trace, trace_error = _trace(counted, torch.stack(sketch, dim=1), vectors[probes:])
    nodes, weights, residuals = (torch.cat(found) for found in zip(*runs, strict=True))
    weights = weights / probes
    largest, order = int(nodes.abs().argmax()), nodes.argsort(stable=True)
    return Spectrum(
        size=size,
        norm=float(nodes[largest].abs()),
        norm_residual=float(residuals[largest]),
        trace=trace,
        trace_error=trace_error,
        positive_trace=size * float((weights * nodes.clamp(min=0)).sum()),
        nodes=tuple(nodes[order].tolist()),
        weights=tuple(weights[order].tolist()),
        products=made,
    )


def _lanczos(product: Product, start: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """H v of the unit vector v to start from [d]; the diagonal [m], its neighbours [m - 1] and the norm that is left of T.

    Every new vector is made orthogonal to all others, twice: else rounding repeats eigenvalues that were found already. The
    small numbers are float64 on the CPU.
    """
    steps = min(steps, len(start))
    basis = start.new_empty(steps, len(start))
    basis[0] = start
    first = start
    diagonal, beside = [], []
    for step in range(steps):
        image = product(basis[step])
        first = image if step == 0 else first
        diagonal.append(torch.dot(image, basis[step]))
        rest = image
        for _ in range(2):
            rest = rest - basis[: step + 1].T @ (basis[: step + 1] @ rest)
        beside.append(rest.norm())
        scale = torch.stack(diagonal).abs().max() + torch.stack(beside).max()
        if step + 1 == steps or float(beside[-1]) <= 16 * torch.finfo(start.dtype).eps * float(scale):
            break
        basis[step + 1] = rest / beside[-1]
    found, neighbours = (torch.stack(values).double().cpu() for values in (diagonal, beside))
    return first, found, neighbours[:-1], neighbours[-1]


def _trace(product: Product, sketch: Tensor, vectors: Sequence[Tensor]) -> tuple[float, float]:
    """Hutch++ with Q from `sketch` [d, q]: the trace, and the standard error of the part that is drawn."""
    basis, _ = torch.linalg.qr(sketch)
    inside = sum(float(torch.dot(column, product(column.contiguous()))) for column in basis.T)
    outside = []
    for vector in vectors:
        rest = vector - basis @ (basis.T @ vector)
        outside.append(float(torch.dot(rest, product(rest))))
    mean = sum(outside) / len(outside)
    variance = sum((value - mean) ** 2 for value in outside) / (len(outside) - 1)
    return inside + mean, math.sqrt(variance / len(outside))


def _signs(size: int, seed: int, dtype: torch.dtype, device: torch.device | None) -> Tensor:
    drawn = generator(seed).integers(0, 2, size=size, dtype="int8")
    return (torch.from_numpy(drawn) * 2 - 1).to(device=device, dtype=dtype)


def _nothing(size: int, products: int) -> Spectrum:
    """Of a Hessian that is not finite."""
    none = math.nan
    return Spectrum(
        size=size,
        norm=none,
        norm_residual=none,
        trace=none,
        trace_error=none,
        positive_trace=none,
        nodes=(),
        weights=(),
        products=products,
    )
