"""Batch normalisation that can write over its input, and does not count batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heron_ray.errors import DataError


class BatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with torch's own defaults, without `num_batches_tracked`: every buffer it has is float32.

    In training mode it normalises by the batch's statistics and moves the running ones towards them; while
    `track_running_stats` is false it leaves the running ones alone. In evaluation mode the running ones are used either way.

    Args:
        channels: K of inputs [B, K, H, W].
        device: Where its values live; meta for none.
    """

    def __init__(self, channels: int, device: torch.device) -> None:
        """Scale 1 and shift 0, running mean 0 and variance 1: nothing is drawn."""
        super().__init__(channels, device=device)
        self.num_batches_tracked = None

    def forward(self, x: Tensor) -> Tensor:
        """X [B, K, H, W] normalised. Raises DataError as `normalise_` does."""
        self._require_variance(x)
        return super().forward(x)

    def normalise_(self, x: Tensor) -> Tensor:
        """What `forward` computes, written over x, without an autograd graph.

        Args:
            x: [B, K, H, W], contiguous; the caller's own storage.

        Returns:
            x.

        Raises:
            DataError: One value per channel in training mode, of which there is no variance.
        """
        self._require_variance(x)
        tracks = self.track_running_stats or not self.training
        torch.ops.aten.native_batch_norm.out(
            x,
            self.weight,
            self.bias,
            self.running_mean if tracks else None,
            self.running_var if tracks else None,
            self.training,
            self.momentum,
            self.eps,
            out=x,
            save_mean=x.new_empty(0),
            save_invstd=x.new_empty(0),
        )
        return x

    def _require_variance(self, x: Tensor) -> None:
        if self.training and x.numel() == self.num_features:
            raise DataError(
                f"batch normalisation needs more than one value per channel, and a batch of shape {tuple(x.shape)} has one",
                hint="raise clients.batch_size (or method.alignment.samples), give every client more samples (fewer clients, a "
                "larger partition.minimum), or use larger images",
            )
