"""Accuracy and loss of the global model: through the main server's back model and through the auxiliary head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from heron_ray.data.dataset import Split
from heron_ray.models.split import SplitModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Shares of 1, and mean cross-entropies in nats."""

    server_accuracy: float
    server_loss: float
    auxiliary_accuracy: float
    auxiliary_loss: float


def evaluate(model: SplitModel, split: Split, batch_size: int, device: torch.device) -> Score:
    """Judge a model on a split.

    Args:
        model: All three parts.
        split: x [n, *input], y [n].
        batch_size: Samples per forward pass.
        device: Where the model lives.
    """
    totals = torch.zeros(4, dtype=torch.float64)
    with torch.no_grad():
        for x, y in zip(split.x.split(batch_size), split.y.split(batch_size), strict=True):
            z = model.front(x.to(device))
            labels = y.to(device)
            totals += torch.tensor(
                [*_correct_and_loss(model.back(z), labels), *_correct_and_loss(model.auxiliary(z), labels)],
                dtype=torch.float64,
            )
    server_accuracy, server_loss, auxiliary_accuracy, auxiliary_loss = (totals / len(split.y)).tolist()
    return Score(
        server_accuracy=server_accuracy,
        server_loss=server_loss,
        auxiliary_accuracy=auxiliary_accuracy,
        auxiliary_loss=auxiliary_loss,
    )


def _correct_and_loss(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    correct = (logits.argmax(dim=1) == labels).sum().item()
    return float(correct), functional.cross_entropy(logits, labels, reduction="sum").item()
