"""First-order optimizers on one flat vector.

torch.optim would do the same arithmetic, but its bookkeeping per step costs more than a small client's forward pass;
the tests hold these to torch's results. State is a dict of flat vectors, so it goes into a checkpoint as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from heron_ray.spec.optimizer import AdamOptimizer, OptimizerSpec, SgdOptimizer


class Optimizer(ABC):
    """Turns a gradient into a step. `state` holds flat vectors [P], and the step count as a vector [1]."""

    def __init__(self) -> None:
        """Start without state."""
        self.state: dict[str, Tensor] = {}

    def step(self, theta: Tensor, gradient: Iterable[tuple[slice, Tensor]]) -> None:
        """Move theta in place by one step.

        Args:
            theta: The parameters [P], or of K clients [K, P].
            gradient: Where a piece of the gradient lies, and the piece, which is used as scratch space; all pieces
                together cover theta once. `whole(g)` for a gradient in one piece.
        """
        self._begin(theta)
        for piece, values in gradient:
            self._update(theta[..., piece], values, {name: self.state[name][..., piece] for name in self._vectors})

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state that `state` gave earlier."""
        self.state = {name: tensor.clone() for name, tensor in state.items()}

    _vectors: tuple[str, ...] = ()
    """Names of the flat vectors in `state`."""

    def _begin(self, theta: Tensor) -> None:
        """Once per step: make the state where there is none."""
        for name in self._vectors:
            if name not in self.state:
                self.state[name] = torch.zeros_like(theta)

    @abstractmethod
    def _update(self, theta: Tensor, gradient: Tensor, state: Mapping[str, Tensor]) -> None:
        """Move a piece of theta."""


class Sgd(Optimizer):
    """theta -= lr * m with m = momentum * m + g + weight_decay * theta."""

    def __init__(self, spec: SgdOptimizer) -> None:
        """Follow `spec`."""
        super().__init__()
        self._spec = spec
        self._vectors = ("momentum",) if spec.momentum else ()

    def _update(self, theta: Tensor, gradient: Tensor, state: Mapping[str, Tensor]) -> None:
        if self._spec.weight_decay:
            gradient.add_(theta, alpha=self._spec.weight_decay)
        if self._spec.momentum:
            gradient = state["momentum"].mul_(self._spec.momentum).add_(gradient)
        theta.add_(gradient, alpha=-self._spec.lr)


class Adam(Optimizer):
    """Adam with bias correction (Kingma and Ba, 1412.6980, algorithm 1)."""

    _vectors = ("first_moment", "second_moment")

    def __init__(self, spec: AdamOptimizer) -> None:
        """Follow `spec`."""
        super().__init__()
        self._spec = spec

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state that `state` gave earlier."""
        super().load(state)
        if "steps" in self.state:
            self.state["steps"] = self.state["steps"].cpu()  # it is read at every step, and a card would be waited for

    def _begin(self, theta: Tensor) -> None:
        super()._begin(theta)
        self.state["steps"] = self.state.get("steps", torch.zeros(1)) + 1
        self._steps = int(self.state["steps"].item())

    def _update(self, theta: Tensor, gradient: Tensor, state: Mapping[str, Tensor]) -> None:
        spec, first, second = self._spec, state["first_moment"], state["second_moment"]
        if spec.weight_decay:
            gradient.add_(theta, alpha=spec.weight_decay)
        first.lerp_(gradient, 1 - spec.beta1)
        second.mul_(spec.beta2).addcmul_(gradient, gradient, value=1 - spec.beta2)
        correction = (1 - spec.beta2**self._steps) ** 0.5
        denominator = torch.sqrt(second, out=gradient).div_(correction).add_(spec.epsilon)
        theta.addcdiv_(first, denominator, value=-spec.lr / (1 - spec.beta1**self._steps))


def whole(gradient: Tensor) -> list[tuple[slice, Tensor]]:
    """A gradient [P] or [K, P] in one piece, as `Optimizer.step` takes it."""
    return [(slice(0, gradient.shape[-1]), gradient)]


def make_optimizer(spec: OptimizerSpec) -> Optimizer:
    """The optimizer that `spec` describes, without state."""
    return Sgd(spec) if isinstance(spec, SgdOptimizer) else Adam(spec)
