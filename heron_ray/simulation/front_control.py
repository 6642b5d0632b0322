"""A cheap control: what a linear reader makes of the smashed data of the trained front model, and of the untrained one.

The true control is a run with `method.kind: frozen_client`. This one costs a few forward passes and two small linear systems.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.smashed import draw_rows, smashed

SAMPLES = 512
"""Training samples that a reader is fitted to, and validation samples that it is judged on, at most."""

_FIT, _JUDGE = 0, 1
_RIDGE = 1e-2
"""Of the mean squared length of a sample: enough to make the system well posed, little enough to fit what is linear in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontJudgement:
    """The validation accuracies of both readers, on so many samples, and how far the front model's parameters moved.

    `movement` is |theta - theta_0| / |theta_0|; 0 where the front model has no parameters.
    """

    trained_accuracy: float
    untrained_accuracy: float
    samples: int
    movement: float


def judge_front(setup: Setup, front: nn.Module) -> FrontJudgement | None:
    """Compare a trained front model with the one that the run began with.

    Each reader is ridge regression of the one-hot labels [n, C] on the smashed data [n, D], both centred, solved in its dual
    form

        predictions = K(validation, train) (K + ridge I)^-1 Y,        K = Z Z^T,  ridge = 0.01 trace(K) / n

    in float64, so that it costs n^2 D + n^3 whatever the width of the cut. Batch normalisation uses its running statistics.

    Args:
        setup: Data, seed and initial model. The samples are drawn once per experiment.
        front: The trained front model; it stays as it is.

    Returns:
        The comparison; None where samples have more than one label each.
    """
    if setup.dataset.train.y.dim() != 1:
        return None
    train, validation, untrained = setup.dataset.train, setup.dataset.validation, setup.build_model().front
    fit, judge = (
        draw_rows(generator(derive(setup.spec.seed, Purpose.DIAGNOSIS, -1, purpose)), count, SAMPLES)
        for purpose, count in ((_FIT, len(train.y)), (_JUDGE, len(validation.y)))
    )
    x = torch.cat([train.x.index_select(0, fit), validation.x.index_select(0, judge)])
    y, labels = train.y.index_select(0, fit), validation.y.index_select(0, judge)
    accuracies = [
        _read(smashed(setup, one, x).flatten(1).double(), y, labels, setup.dataset.classes) for one in (front, untrained)
    ]
    return FrontJudgement(
        trained_accuracy=accuracies[0],
        untrained_accuracy=accuracies[1],
        samples=len(labels),
        movement=_movement(front, untrained),
    )


def _read(z: Tensor, y: Tensor, labels: Tensor, classes: int) -> float:
    """The accuracy on the last samples of Z [n, D] of a reader that is fitted to the first."""
    fitted = len(y)
    z = z - z[:fitted].mean(dim=0)
    targets = torch.nn.functional.one_hot(y, classes).double()
    mean = targets.mean(dim=0)
    kernel = z @ z[:fitted].T
    inner = kernel[:fitted]
    ridge = _RIDGE * max(float(inner.diagonal().mean()), torch.finfo(torch.float64).tiny)
    solved = torch.linalg.solve(inner + ridge * torch.eye(fitted, dtype=torch.float64), targets - mean)
    told = (kernel[fitted:] @ solved + mean).argmax(dim=1)
    return float((told == labels).double().mean())


def _movement(front: nn.Module, untrained: nn.Module) -> float:
    with torch.no_grad():
        before = [one.double().cpu() for one in untrained.parameters()]
        moved = [now.double().cpu() - one for now, one in zip(front.parameters(), before, strict=True)]
        lengths = [float(sum(one.square().sum() for one in tensors)) for tensors in (moved, before)]
    return math.sqrt(lengths[0] / lengths[1]) if lengths[1] else 0.0
