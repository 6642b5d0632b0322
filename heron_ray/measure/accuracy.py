"""Accuracy and loss of a global model, through each of the heads that sit on its front model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Accuracy as a share of 1, and mean cross-entropy in nats."""

    accuracy: float
    loss: float


def evaluate(
    front: Callable[[Tensor], Tensor],
    heads: Mapping[str, Callable[[Tensor], Tensor]],
    x: Tensor,
    y: Tensor,
    *,
    batch_size: int,
    device: torch.device,
) -> dict[str, Score]:
    """Judge every head on the same smashed data; the front model runs once.

    Args:
        front: x [B, *input] to z [B, *cut].
        heads: Name to a map from z [B, *cut] to logits [B, C].
        x: All samples [n, *input].
        y: Their labels [n].
        batch_size: Samples per forward pass.
        device: Where the model lives.

    Returns:
        Name to score.
    """
    correct, loss = dict.fromkeys(heads, 0.0), dict.fromkeys(heads, 0.0)
    with torch.no_grad():
        for x_batch, y_batch in zip(x.split(batch_size), y.split(batch_size), strict=True):
            z, labels = front(x_batch.to(device)), y_batch.to(device)
            for name, head in heads.items():
                logits = head(z)
                correct[name] += float((logits.argmax(dim=1) == labels).sum().item())
                loss[name] += functional.cross_entropy(logits, labels, reduction="sum").item()
    return {name: Score(accuracy=correct[name] / len(y), loss=loss[name] / len(y)) for name in heads}
