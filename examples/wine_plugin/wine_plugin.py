"""A data set, a model and a reward for heron-ray.

torch and scikit-learn are imported where they are used: who only reads a spec imports this module too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from heron_ray.spec.section import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from heron_ray.data.dataset import Dataset
    from heron_ray.models.split import SplitModel


class WineOptions(Section):
    """What a spec may say at `data.options`."""

    held_out: float = Field(default=0.2, gt=0, le=0.4, description="Share of the samples for validation, and again for test.")


class Wine:
    """scikit-learn's 178 wines: 13 measured quantities, three cultivars."""

    options = WineOptions

    def input_shape(self, options: WineOptions) -> tuple[int, ...]:
        """Shape of one sample."""
        return (13,)

    def classes(self, options: WineOptions) -> int:
        """Number of classes."""
        return 3

    def load(self, options: WineOptions, seed: int) -> Dataset:
        """The samples, standardised."""
        import torch
        from sklearn.datasets import load_wine
        from sklearn.model_selection import train_test_split

        from heron_ray.data.dataset import Dataset, Split

        x, y = load_wine(return_X_y=True)
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        # Split once and for all: with `seed` here, other seeds of an experiment would be judged on other samples.
        rest_x, test_x, rest_y, test_y = train_test_split(x, y, test_size=options.held_out, random_state=0, stratify=y)
        share = options.held_out / (1 - options.held_out)
        parts = train_test_split(rest_x, rest_y, test_size=share, random_state=0, stratify=rest_y)
        train_x, validation_x, train_y, validation_y = parts

        def split(x: NDArray[np.float64], y: NDArray[np.int64]) -> Split:
            return Split(x=torch.tensor(x, dtype=torch.float32), y=torch.tensor(y, dtype=torch.int64))

        return Dataset(
            train=split(train_x, train_y),
            validation=split(validation_x, validation_y),
            test=split(test_x, test_y),
            classes=3,
            input_shape=(13,),
        )


class ResidualOptions(Section):
    """What a spec may say at `model.options`."""

    width: int = Field(default=16, ge=1, le=1024, description="Numbers per sample between the blocks: the cut's width too.")
    blocks: int = Field(default=3, ge=2, le=64, description="Residual blocks, client's and main server's together.")
    cut: int = Field(default=1, ge=1, description="How many blocks the client holds.")


class Residual:
    """Residual blocks of fully connected layers, cut after any block but the last."""

    options = ResidualOptions
    normalises_batches = False

    def fault(self, options: ResidualOptions, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The option that cannot be, and why."""
        if options.cut >= options.blocks:
            return "cut", f"{options.cut} leaves the main server none of the {options.blocks} blocks"
        return None

    def build(self, options: ResidualOptions, input_shape: tuple[int, ...], classes: int) -> SplitModel:
        """The three parts, with torch's own initial values."""
        import math

        from torch import nn

        from heron_ray.models.split import SplitModel

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Sequential(nn.ReLU(), nn.Linear(options.width, options.width))

            def forward(self, z: Tensor) -> Tensor:
                return z + self.inner(z)

        server_blocks = [Block() for _ in range(options.blocks - options.cut)]
        return SplitModel(
            front=nn.Sequential(
                nn.Flatten(), nn.Linear(math.prod(input_shape), options.width), *(Block() for _ in range(options.cut))
            ),
            auxiliary=nn.Linear(options.width, classes),
            back=nn.Sequential(*server_blocks, nn.Linear(options.width, classes)),
        )


def profit(logits: Tensor, y: Tensor) -> Tensor:
    """What a bottle earns on average when it is sold as what it was taken for: 1 where that is right, else the loss of a price.

    Selling the first cultivar, the dearest, as the last costs more than the other way round. No derivative, and none is needed.
    """
    import torch

    earned = torch.tensor([[1.0, -1.0, -4.0], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]])
    return earned[y, logits.argmax(dim=1)].mean()


WINE = Wine()
RESIDUAL = Residual()
