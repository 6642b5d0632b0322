"""What a client without gradients may descend: cross-entropy, a metric that has no useful derivative, or a reward's negative.

A metric is constant but for jumps, so a probe sees something only if its step makes predictions change. What the zeroth-order
estimate follows is the gradient of the metric's mean over probes, E_u[f(theta + mu u)]: `mu` says how far it is smoothed.

All take logits [B, C] and classes y [B] to a scalar, or the logits [K, B, C] and classes [K, B] of K clients to [K], with the
bits of each client alone. Shapes: B = batch, C = classes, K = clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

from heron_ray.models import stacked
from heron_ray.spec.method import MethodSpec
from heron_ray.spec.plugins import REWARDS, RewardPlugin, find_plugin

Objective: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy of the batch, in nats."""
    return stacked.cross_entropy(logits, y)


def zero_one(logits: Tensor, y: Tensor) -> Tensor:
    """The share of the batch that is told wrongly, 1 - accuracy.

    Example:
        >>> float(zero_one(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1])))
        0.5
    """
    return (logits.argmax(dim=-1) != y).float().mean(dim=-1)


def macro_f1(logits: Tensor, y: Tensor) -> Tensor:
    """1 - macro-F1 of the batch: the mean of 2 TP / (2 TP + FP + FN) over the classes that are in it or were predicted.

    Example:
        >>> float(macro_f1(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([0, 1])))
        0.0
    """
    if logits.dim() == 3:
        return torch.stack([macro_f1(*client) for client in zip(logits.unbind(), y.unbind(), strict=True)])
    predicted, classes = logits.argmax(dim=-1), torch.arange(logits.shape[-1], device=logits.device)
    told, true = predicted[:, None] == classes, y[:, None] == classes
    twice, all_of_them = 2 * (told & true).sum(dim=0), told.sum(dim=0) + true.sum(dim=0)
    scores = twice / all_of_them.clamp(min=1)
    return 1 - scores.sum() / (all_of_them > 0).sum()


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {"cross_entropy": cross_entropy, "zero_one": zero_one, "macro_f1": macro_f1}
)


def objective_of(method: MethodSpec) -> Objective:
    """What a method's clients descend. Raises LookupError where a reward that it names is not installed any more."""
    if method.objective == "reward":
        return minus(find_plugin(REWARDS, method.reward or ""))
    return OBJECTIVES[method.objective]


def minus(reward: RewardPlugin) -> Objective:
    """The negative of a reward, which knows one client's batch at a time.

    Example:
        >>> hits = minus(lambda logits, y: (logits.argmax(1) == y).sum())
        >>> float(hits(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1])))
        -1.0
    """

    def objective(logits: Tensor, y: Tensor) -> Tensor:
        if logits.dim() == 3:
            return torch.stack([objective(*client) for client in zip(logits.unbind(), y.unbind(), strict=True)])
        if logits.is_meta:
            return logits.new_zeros(())  # costs are counted without values, and a reward's own are not
        return -torch.as_tensor(reward(logits, y), dtype=logits.dtype, device=logits.device).reshape(())

    return objective
