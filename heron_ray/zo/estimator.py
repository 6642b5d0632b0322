"""The two-point gradient estimate from forward passes (HERON-SFL, 2601.09076, equation 2).

    forward:  g = (1/q) sum_p  s * [L(theta + mu u_p) - L(theta)] / mu * u_p                   q + 1 forward passes
    central:  g = (1/q) sum_p  s * [L(theta + mu u_p) - L(theta - mu u_p)] / (2 mu) * u_p      2q forward passes

with s = d for directions on the unit sphere and 1 otherwise. An estimate is fully told by its seeds and q coefficients
c_p = s * difference / (mu q), so g is never held: it is rebuilt piece by piece when the step is taken.

theta is perturbed in place and the perturbation subtracted again, as in MeZO (2305.17333), because a kept copy would double
a lean client's memory. Float32 rounding then moves a coordinate by about one unit in the last place per probe; a test
bounds it. Whoever knows seeds and coefficients can `replay` a step to the same bits. Running statistics of batch
normalisation are never touched by a probe. Shapes: P = parameters, q = probes, L = length of a piece.

A vector of K copies serves K clients at once: then a seed is one per client, and a loss, a coefficient and a piece have a
leading K. Their directions must fit into one piece, and the bits are those of each client alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo.directions import DirectionStream, estimate_scale, piece_length, pieces

T = TypeVar("T")

Seed: TypeAlias = int | tuple[int, ...]
"""Of a direction, or of each client's."""


class ZerothOrderEstimator:
    """Estimates gradients with respect to one flat vector.

    Beside theta it holds two pieces (a direction's and the estimate's) where `spec.replay` is true, and two whole vectors
    where it is false or theta is no longer than a piece; then the estimate is summed while probing. The bits are the same.

    Args:
        spec: Perturbation scale, number of probes, direction law, kind of difference.
        vector: The parameters theta [P], and the buffers beside them.
    """

    def __init__(self, spec: ZerothOrderSpec, vector: FlatVector) -> None:
        """Take the buffers."""
        self._spec = spec
        self._vector = vector
        self._theta = vector.data
        piece = piece_length(vector.data.device)
        # Shapes without values need one piece: the others would only repeat it, a million times over for a wide model.
        self._pieces = pieces(min(piece, len(vector)) if vector.data.is_meta else len(vector), piece)
        length = min(piece, len(vector)) if spec.replay else len(vector)
        self._direction = vector.buffer("direction", length)
        self._estimate = vector.buffer("estimate", length)
        self._holds_whole = length == len(vector)
        self._held: Seed | None = None
        self._normalisers: dict[Seed, Tensor] = {}
        self._summed: list[Tensor] | None = None
        self._scale = estimate_scale(spec.direction, len(vector))

    def probe(self, loss: Callable[[], Tensor], loss_at_theta: Tensor, seeds: Sequence[Seed]) -> list[Tensor]:
        """Evaluate every probe.

        Args:
            loss: Evaluates the loss (a scalar) of the present theta on this step's batch; any randomness in it must
                repeat from call to call.
            loss_at_theta: L(theta), from the forward pass that also gave the smashed data; unused by central differences.
            seeds: One per probe.

        Returns:
            The coefficients c_p, q scalars.
        """
        coefficients: list[Tensor] = []
        self._normalisers.clear()
        with self._vector.hold_statistics():
            for number, seed in enumerate(seeds):
                coefficients.append(self._coefficient(loss, loss_at_theta, seed))
                if self._holds_whole:
                    _accumulate(self._estimate, self._direction, coefficients[-1], first=number == 0)
        self._summed = coefficients
        return coefficients

    def replay(self, seeds: Sequence[Seed]) -> None:
        """Move theta as `probe` does, without evaluating anything: afterwards it has the same rounding errors."""
        self._normalisers.clear()
        for seed in seeds:
            self._walk(seed, self._spec.difference, lambda: None)

    def outputs(self, function: Callable[[], Tensor], seed: Seed) -> tuple[Tensor, Tensor]:
        """What `function` gives at theta + mu u and at theta - mu u; theta is where it was afterwards."""
        self._normalisers.clear()
        with self._vector.hold_statistics():
            above, below = self._walk(seed, "central", function)
        return above, below

    def coefficient(self, difference: Tensor) -> Tensor:
        """c_p of a probe whose losses differ by `difference`: L(theta + mu u) less L(theta), or less L(theta - mu u)."""
        width = self._spec.mu if self._spec.difference == "forward" else 2 * self._spec.mu
        return difference.mul_(self._scale / (width * self._spec.probes))

    def gradient(self, seeds: Sequence[Seed], coefficients: Sequence[Tensor]) -> Iterator[tuple[slice, Tensor]]:
        """The estimate sum_p c_p u_p, piece by piece.

        Args:
            seeds: One per probe.
            coefficients: As returned by `probe`, or any others.

        Yields:
            Where the piece lies, and the piece [L]: a buffer that the caller may use as scratch space until it asks for the
            next one.
        """
        if self._holds_whole:
            if coefficients is not self._summed:
                self._sum(seeds, coefficients)
            self._summed = None  # the caller is about to overwrite it
            yield slice(0, len(self._vector)), self._estimate
            return
        normalisers = [self._normaliser(seed) for seed in seeds]
        streams = [self._stream(seed) for seed in seeds]
        for piece in self._pieces:
            estimate = self._estimate[: piece.stop - piece.start]
            for number, coefficient in enumerate(coefficients):
                u = self._next(streams[number], piece, normalisers[number])
                _accumulate(estimate, u, coefficient, first=number == 0)
            yield piece, estimate
        self._normalisers.clear()

    def estimate(self, loss: Callable[[], Tensor], loss_at_theta: Tensor, seeds: Sequence[Seed]) -> Tensor:
        """Probe, and return the whole estimate [P] in a vector of its own."""
        coefficients = self.probe(loss, loss_at_theta, seeds)
        return torch.cat([piece.clone() for _, piece in self.gradient(seeds, coefficients)])

    def _coefficient(self, loss: Callable[[], Tensor], loss_at_theta: Tensor, seed: Seed) -> Tensor:
        """c_p for one direction; theta is where it was afterwards."""
        above, *below = self._walk(seed, self._spec.difference, loss)
        return self.coefficient(above - (below[0] if below else loss_at_theta))

    def _walk(self, seed: Seed, difference: str, visit: Callable[[], T]) -> list[T]:
        """Move theta along a direction to where a kind of difference needs it, and back; what `visit` gave at each stop."""
        mu, normaliser = self._spec.mu, self._normaliser(seed)
        *there, back = (mu, -mu) if difference == "forward" else (mu, -2 * mu, mu)
        visited = []
        for distance in there:
            self._shift(seed, normaliser, distance)
            visited.append(visit())
        self._shift(seed, normaliser, back)
        return visited

    def _sum(self, seeds: Sequence[Seed], coefficients: Sequence[Tensor]) -> None:
        """Rebuild the whole estimate. The direction's buffer may meanwhile have served another client."""
        self._held = None
        for number, (seed, coefficient) in enumerate(zip(seeds, coefficients, strict=True)):
            self._hold(seed)
            _accumulate(self._estimate, self._direction, coefficient, first=number == 0)

    def _shift(self, seed: Seed, normaliser: Tensor | None, distance: float) -> None:
        """Move theta by distance * u."""
        if self._holds_whole:
            self._hold(seed)
            self._theta.add_(self._direction, alpha=distance)
            return
        stream = self._stream(seed)
        for piece in self._pieces:
            self._theta[piece].add_(self._next(stream, piece, normaliser), alpha=distance)

    def _hold(self, seed: Seed) -> None:
        """Have the whole direction of `seed` in the buffer, at unit length where the law asks for it."""
        if self._held == seed:
            return
        if isinstance(seed, int):
            self._fill(self._direction, seed)
        else:
            for direction, one in zip(self._direction, seed, strict=True):
                self._fill(direction, one)
        self._held = seed

    def _fill(self, direction: Tensor, seed: int) -> None:
        """Draw a whole direction [P]."""
        stream = self._stream(seed)
        for piece in self._pieces:
            stream.fill(direction[piece])
        if self._spec.direction == "sphere":
            direction.mul_(_inverse_length([direction[piece] for piece in self._pieces]))

    def _normaliser(self, seed: Seed) -> Tensor | None:
        """1 / |v| of a drawn v that is not held whole, by a pass over its pieces; None where none is needed."""
        if self._holds_whole or self._spec.direction != "sphere":
            return None
        if seed not in self._normalisers:
            stream = self._stream(seed)
            self._normalisers[seed] = _inverse_length(self._next(stream, piece, None) for piece in self._pieces)
        return self._normalisers[seed]

    def _next(self, stream: DirectionStream, piece: slice, normaliser: Tensor | None) -> Tensor:
        u = stream.fill(self._direction[: piece.stop - piece.start])
        return u if normaliser is None else u.mul_(normaliser)

    def _stream(self, seed: Seed) -> DirectionStream:
        if not isinstance(seed, int):
            raise ValueError("directions of several clients must fit into one piece")
        return DirectionStream(self._spec.direction, seed, self._theta.device)


def _inverse_length(parts: Iterable[Tensor]) -> Tensor:
    """1 / sqrt(sum of squares), summed piece by piece so that the bits do not depend on how the pieces are held."""
    squares = [torch.dot(part, part) for part in parts]
    return (squares[0] if len(squares) == 1 else torch.stack(squares).sum()).rsqrt()


def _accumulate(total: Tensor, u: Tensor, coefficient: Tensor, *, first: bool) -> None:
    """Add coefficient * u to the estimate; the first one overwrites it."""
    factor = coefficient.unsqueeze(-1) if coefficient.dim() else coefficient
    if first:
        torch.mul(u, factor, out=total)
    else:
        total.addcmul_(u, factor)
