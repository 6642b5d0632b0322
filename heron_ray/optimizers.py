"""First-order optimizers on one flat vector.

torch.optim would do the same arithmetic, but its bookkeeping per step costs more than a small client's forward pass;
the tests hold these to torch's results. State is a dict of flat vectors, so it goes into a checkpoint as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from heron_ray.spec.optimizer import AdamOptimizer, OptimizerSpec, SgdOptimizer


class Optimizer(ABC):
    """Turns a gradient into a step. `state` holds flat vectors [P], and the step count as a vector [1]."""

    def __init__(self) -> None:
        """Start without state."""
        self.state: dict[str, Tensor] = {}

    @abstractmethod
    def step(self, theta: Tensor, gradient: Tensor) -> None:
        """Move `theta` [P] in place; `gradient` [P] is used as scratch space."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state that `state` gave earlier."""
        self.state = {name: tensor.clone() for name, tensor in state.items()}


class Sgd(Optimizer):
    """theta -= lr * m with m = momentum * m + g + weight_decay * theta."""

    def __init__(self, spec: SgdOptimizer) -> None:
        """Follow `spec`."""
        super().__init__()
        self._spec = spec

    def step(self, theta: Tensor, gradient: Tensor) -> None:
        """One step."""
        if self._spec.weight_decay:
            gradient.add_(theta, alpha=self._spec.weight_decay)
        if self._spec.momentum:
            if "momentum" not in self.state:
                self.state["momentum"] = torch.zeros_like(theta)
            gradient = self.state["momentum"].mul_(self._spec.momentum).add_(gradient)
        theta.add_(gradient, alpha=-self._spec.lr)


class Adam(Optimizer):
    """Adam with bias correction (Kingma and Ba, 1412.6980, algorithm 1)."""

    def __init__(self, spec: AdamOptimizer) -> None:
        """Follow `spec`."""
        super().__init__()
        self._spec = spec

    def step(self, theta: Tensor, gradient: Tensor) -> None:
        """One step."""
        spec = self._spec
        if not self.state:
            self.state = {
                "first_moment": torch.zeros_like(theta),
                "second_moment": torch.zeros_like(theta),
                "steps": torch.zeros(1),
            }
        if spec.weight_decay:
            gradient.add_(theta, alpha=spec.weight_decay)
        first, second = self.state["first_moment"], self.state["second_moment"]
        self.state["steps"] += 1
        steps = int(self.state["steps"].item())
        first.lerp_(gradient, 1 - spec.beta1)
        second.mul_(spec.beta2).addcmul_(gradient, gradient, value=1 - spec.beta2)
        correction = (1 - spec.beta2**steps) ** 0.5
        denominator = torch.sqrt(second, out=gradient).div_(correction).add_(spec.epsilon)
        theta.addcdiv_(first, denominator, value=-spec.lr / (1 - spec.beta1**steps))


def make_optimizer(spec: OptimizerSpec) -> Optimizer:
    """The optimizer that `spec` describes, without state."""
    return Sgd(spec) if isinstance(spec, SgdOptimizer) else Adam(spec)
