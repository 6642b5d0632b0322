"""Accuracy and loss of a global model, through each of the heads that sit on its front model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_LARGEST_EXPONENT = 709.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Accuracy as a share of 1, mean cross-entropy in nats, and macro-F1; of text over all tokens that are to be predicted.

    Macro-F1 is the mean of 2 TP / (2 TP + FP + FN) over the classes that occur among labels or predictions.
    """

    accuracy: float
    loss: float
    macro_f1: float

    @property
    def perplexity(self) -> float:
        """The exponential of the loss: among so many equally likely tokens the next one is guessed. Infinite beyond float64."""
        return math.exp(self.loss) if self.loss < _LARGEST_EXPONENT else math.inf


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
        heads: Name to a map from z [B, *cut] to logits [B, C]; of sequences of L tokens [B L, C].
        x: All samples [n, *input].
        y: Their labels [n]; of sequences the next tokens [n, L], of which those below 0 do not count.
        batch_size: Samples per forward pass.
        device: Where the model lives.

    Returns:
        Name to score.
    """
    correct, loss = dict.fromkeys(heads, 0.0), dict.fromkeys(heads, 0.0)
    predictions: dict[str, list[Tensor]] = {name: [] for name in heads}
    with torch.no_grad():
        for x_batch, y_batch in zip(x.split(batch_size), y.split(batch_size), strict=True):
            z, labels = front(x_batch.to(device)), y_batch.to(device).flatten()
            for name, head in heads.items():
                logits = head(z)
                predictions[name].append(logits.argmax(dim=1))
                correct[name] += float((predictions[name][-1] == labels).sum().item())
                loss[name] += functional.cross_entropy(logits, labels, reduction="sum").item()
    is_counted = y.flatten() >= 0
    labels, count = y.flatten()[is_counted], int(is_counted.sum())
    return {
        name: Score(
            accuracy=correct[name] / count,
            loss=loss[name] / count,
            macro_f1=_macro_f1(torch.cat(told).cpu()[is_counted], labels),
        )
        for name, told in predictions.items()
    }


def _macro_f1(predicted: Tensor, y: Tensor) -> float:
    """Of predictions [n] against labels [n]."""
    if not len(y):
        return 0.0
    classes = 1 + int(torch.maximum(predicted.max(), y.max()))
    right = torch.bincount(y[predicted == y], minlength=classes).double()
    both = (torch.bincount(predicted, minlength=classes) + torch.bincount(y, minlength=classes)).double()
    return float((2 * right[both > 0] / both[both > 0]).mean())
