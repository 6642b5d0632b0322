"""What smashed data tell about inputs, as the main server sees them: distance correlation, and an inversion attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.measure.distance_correlation import distance_correlation
from heron_ray.measure.image_quality import psnr, ssim
from heron_ray.measure.inversion import learn_to_invert
from heron_ray.methods import make_method
from heron_ray.models import SplitModel
from heron_ray.privacy import release
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.restore import restore
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.smashed import draw_rows, smashed
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.compute import LeakageSpec
from heron_ray.spec.privacy import SmashedPrivacy

_SAMPLES, _NOISE = 0, 1
_VICTIMS, _DECODER, _OWN_NOISE, _SENT_NOISE = 0, 1, 2, 3
MOST_SHOWN = 16


def leakage(setup: Setup, front: nn.Module, options: LeakageSpec, round: int) -> float:
    """Distance correlation of validation samples and their smashed data as they would be sent, clipped and noised.

    Args:
        setup: Data, seed and mechanism.
        front: The global front model; it stays as it is.
        options: How much to look at.
        round: After which round: samples and noise are drawn for it.
    """
    split, seed = setup.dataset.validation, setup.spec.seed
    draw = generator(derive(seed, Purpose.LEAKAGE, round, _SAMPLES))
    x = split.x.index_select(0, draw_rows(draw, len(split.y), options.samples))
    z = _sent(smashed(setup, front, x), mechanism(setup.spec), derive(seed, Purpose.LEAKAGE, round, _NOISE))
    return distance_correlation(x, z)


def mechanism(spec: ExperimentSpec) -> SmashedPrivacy | None:
    """What clients do to smashed data; None: nothing."""
    return spec.privacy.smashed if spec.privacy is not None else None


def _sent(z: Tensor, noise: SmashedPrivacy | None, seed: int) -> Tensor:
    return z if noise is None else torch.from_numpy(release(z.numpy(), noise, generator(seed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inversion:
    """What an inversion attack came to on samples of clients.

    Attributes:
        figures: `mse`, `psnr_db` and, of images, `ssim`, of the decoder's inputs; the same with `class_mean_` for the mean of
            the attacker's own samples of the label's class, which needs no smashed data; and how the attack was made.
        originals: Some of the clients' samples [n, *input].
        inverted: What the decoder made of their smashed data [n, *input].
        class_means: What the labels alone tell [n, *input].
        value_range: Lowest and highest value of the attacker's own samples.
    """

    figures: dict[str, Any]
    originals: Tensor
    inverted: Tensor
    class_means: Tensor
    value_range: tuple[float, float]


def invert(spec: ExperimentSpec, checkpoint: Checkpoint | None, *, epochs: int = 200, victims: int = 512) -> Inversion:
    """Attack the smashed data of clients' training samples at a checkpoint of a run, or at its initial model.

    The attacker trains on the validation and test splits, which no client holds.

    Args:
        spec: The experiment.
        checkpoint: Its state after a round; None: the initial model.
        epochs: Of the decoder's training.
        victims: Training samples that are attacked, at most; drawn at random.

    Raises:
        DataError: The data cannot be loaded.
        SpecError: There are no smashed data, or no one front model that the main server could know.
    """
    setup, model, round = _restored(spec, checkpoint)
    dataset, seed, noise = setup.dataset, spec.seed, mechanism(spec)
    place = (seed, Purpose.INVERSION, round)
    own_x, own_y = (torch.cat([getattr(split, name) for split in (dataset.validation, dataset.test)]) for name in ("x", "y"))
    rows = draw_rows(generator(derive(*place, _VICTIMS)), len(dataset.train.y), victims)
    x, y = dataset.train.x.index_select(0, rows), dataset.train.y.index_select(0, rows)
    attacker = learn_to_invert(
        smashed(setup, model.front, own_x),
        own_x,
        own_y,
        classes=dataset.classes,
        release=lambda z, number: _sent(z, noise, derive(*place, _OWN_NOISE, number)),
        epochs=epochs,
        seed=derive(*place, _DECODER),
    )
    sent = _sent(smashed(setup, model.front, x), noise, derive(*place, _SENT_NOISE))
    with torch.no_grad():
        inverted = attacker.decoder(sent, y)
    everyone = own_x.mean(dim=0)
    means = torch.stack(
        [own_x[own_y == label].mean(dim=0) if (own_y == label).any() else everyone for label in range(dataset.classes)]
    )
    low, high = float(own_x.min()), float(own_x.max())
    told = {
        "round": round,
        "attacker_samples": len(own_x),
        "victims": len(x),
        "epochs": epochs,
        "best_epoch": attacker.epoch,
        **_quality(spec, x, inverted, high - low),
        **{f"class_mean_{name}": value for name, value in _quality(spec, x, means[y], high - low).items()},
    }
    shown = slice(0, MOST_SHOWN)
    return Inversion(
        figures=told, originals=x[shown], inverted=inverted[shown], class_means=means[y[shown]], value_range=(low, high)
    )


def _quality(spec: ExperimentSpec, x: Tensor, guess: Tensor, value_range: float) -> dict[str, float]:
    mse = float((x - guess).double().square().mean())
    found = {"mse": mse, "psnr_db": psnr(mse, value_range)}
    if (shape := spec.data.image_shape) is not None:
        found["ssim"] = float(ssim(x.reshape(-1, *shape), guess.reshape(-1, *shape), value_range).mean())
    return found


def _restored(spec: ExperimentSpec, checkpoint: Checkpoint | None) -> tuple[Setup, SplitModel, int]:
    method = make_method(spec.method)
    if not method.has_main_server or "front" in method.own_parts:
        message = f"{spec.method.kind} has no main server that could know the front model of what it is sent"
        raise SpecError([SpecIssue(path="method.kind", message=message)], hint="use heron, or another method that is split")
    setup = Setup.build(spec)
    model = setup.build_model()
    if checkpoint is None:
        return setup, model, 0
    restore(model, method, checkpoint)
    return setup, model, checkpoint.round
