"""A learned inversion attack: a small decoder from smashed data back to inputs.

The curious main server knows the front model (it can ask for it, as any client does), the clip norm and the noise, and has
samples of its own from the same source. It sends these through the front model, draws noise for them as often as it likes,
and learns to undo both. Shapes: n = samples, K = classes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Release = Callable[[Tensor, int], Tensor]
"""Smashed data z [n, *cut] and a number to what is sent in their place; another number draws other noise."""

_HIDDEN, _CHANNELS = 256, 32
_BATCH = 64
_HELD_OUT = 5
_LOOKS = 40


class Decoder(nn.Module):
    """From smashed data and labels to inputs: two hidden layers, or three convolutions where both sides are images.

    Args:
        cut_shape: Of the smashed data of one sample.
        input_shape: Of one input.
        classes: K.
        scale: Smashed data are divided by it, so that layers see numbers of order one.
    """

    def __init__(self, cut_shape: tuple[int, ...], input_shape: tuple[int, ...], classes: int, scale: float) -> None:
        """Build the layers."""
        super().__init__()
        self._classes, self._input_shape, self._scale = classes, input_shape, scale
        self._spatial = len(cut_shape) == 3 and len(input_shape) == 3
        if self._spatial:
            self._layers = nn.Sequential(
                nn.Conv2d(cut_shape[0] + classes, _CHANNELS, 3, padding=1),
                nn.ReLU(),
                nn.Upsample(size=input_shape[1:]),
                nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(_CHANNELS, input_shape[0], 3, padding=1),
            )
        else:
            self._layers = nn.Sequential(
                nn.Linear(math.prod(cut_shape) + classes, _HIDDEN),
                nn.ReLU(),
                nn.Linear(_HIDDEN, _HIDDEN),
                nn.ReLU(),
                nn.Linear(_HIDDEN, math.prod(input_shape)),
            )

    def begin_with(self, x: Tensor, draw: torch.Generator) -> None:
        """He's normal weights from this generator, but for the last layer, which says the mean of x [n, *input] at first."""
        layers = [layer for layer in self._layers if isinstance(layer, nn.Linear | nn.Conv2d)]
        mean = x.mean(dim=(0, 2, 3)) if self._spatial else x.mean(dim=0).flatten()
        with torch.no_grad():
            for layer in layers:
                weight, bias = layer.parameters()
                weight.normal_(0.0, math.sqrt(2 / weight[0].numel()), generator=draw)
                bias.zero_()
            weight.zero_()
            bias.copy_(mean)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Inputs [n, *input] that would explain smashed data z [n, *cut] with labels y [n]."""
        z = z / self._scale
        told = functional.one_hot(y, self._classes).to(z.dtype)
        if self._spatial:
            planes = told[:, :, None, None].expand(-1, -1, *z.shape[2:])
            images: Tensor = self._layers(torch.cat([z, planes], dim=1))
            return images
        flat: Tensor = self._layers(torch.cat([z.flatten(1), told], dim=1))
        return flat.reshape(len(z), *self._input_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacker:
    """A trained decoder.

    Attributes:
        decoder: It.
        epoch: After which epoch it was best on the attacker's own held-out samples.
        held_out_mse: Its mean squared error on those.
    """

    decoder: Decoder
    epoch: int
    held_out_mse: float


def learn_to_invert(z: Tensor, x: Tensor, y: Tensor, *, classes: int, release: Release, epochs: int, seed: int) -> Attacker:
    """Train a decoder with Adam (1e-3, batches of 64) on the squared error; a fifth of the samples decides when it is best.

    Args:
        z: The front model's output for the attacker's own samples [n, *cut], before clipping and noise; n at least 10.
        x: These samples [n, *input].
        y: Their labels [n].
        classes: K.
        release: What is sent in the place of smashed data; noise is drawn anew in every epoch.
        epochs: Passes over the samples.
        seed: For first weights and the order of samples.
    """
    draw = torch.Generator().manual_seed(seed % 2**63)
    order = torch.randperm(len(x), generator=draw)
    held, own = order[: len(x) // _HELD_OUT], order[len(x) // _HELD_OUT :]
    held_z = release(z[held], 0)
    scale = max(held_z.double().square().mean().sqrt().item(), 1e-12)
    decoder = Decoder(tuple(z.shape[1:]), tuple(x.shape[1:]), classes, scale)
    decoder.begin_with(x[own], draw)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-3)

    def held_out_mse() -> float:
        with torch.no_grad():
            return functional.mse_loss(decoder(held_z, y[held]), x[held]).item()

    best, best_epoch, best_mse = copy.deepcopy(decoder), 0, held_out_mse()
    every = max(1, epochs // _LOOKS)
    for epoch in range(1, epochs + 1):
        sent, shuffled = release(z[own], epoch), torch.randperm(len(own), generator=draw)
        for rows in shuffled.split(_BATCH):
            optimizer.zero_grad()
            places = own[rows]
            loss = functional.mse_loss(decoder(sent[rows], y[places]), x[places])
            torch.autograd.backward(loss)
            optimizer.step()
        if epoch % every == 0 and (mse := held_out_mse()) < best_mse:
            best, best_epoch, best_mse = copy.deepcopy(decoder), epoch, mse
    return Attacker(decoder=best, epoch=best_epoch, held_out_mse=best_mse)
