"""A vision transformer, cut after any block: transformers' own layers in three parts (Dosovitskiy et al., arXiv 2010.11929).

Shapes: B = batch, T = patches + 1 tokens, D = numbers per token, C = classes.

    front      x [B, channels, height, width]  ->  patches, class token, positions, the first blocks  ->  z [B, T, D]
    auxiliary  z  ->  blocks of its own, if any  ->  LayerNorm, a layer on the class token  ->  logits [B, C]
    back       z  ->  the other blocks           ->  LayerNorm, a layer on the class token  ->  logits [B, C]

Attention is written out (`eager`), so that it is counted, can be differentiated twice (FSL-SAGE) and has the same bits wherever
it runs. There is no dropout: a probe and its reference must see the same network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

from heron_ray.models.seeded import built
from heron_ray.models.split import SplitModel
from heron_ray.spec.vit import VitModel

_EXPANSION = 4


def build_vit(
    spec: VitModel, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Build the three parts on `device`, without adapters; the auxiliary head's values come after the others'."""
    channels, height, width = input_shape

    def whole(blocks: int) -> ViTForImageClassification:
        config = ViTConfig(
            image_size=(height, width),
            patch_size=spec.patch,
            num_channels=channels,
            hidden_size=spec.width,
            num_hidden_layers=blocks,
            num_attention_heads=spec.heads,
            intermediate_size=_EXPANSION * spec.width,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        config.num_labels = classes
        config._attn_implementation = "eager"
        return built(lambda: ViTForImageClassification(config), generator, device)

    model, own = whole(spec.blocks), whole(spec.auxiliary.blocks)
    blocks = model.vit.layers
    return SplitModel(
        front=VitFront(model.vit.embeddings, blocks[: spec.cut]),
        auxiliary=VitHead(own.vit.layers, own.vit.layernorm, own.classifier),
        back=VitHead(blocks[spec.cut :], model.vit.layernorm, model.classifier),
    )


class VitFront(nn.Module):
    """The client's part: x [B, channels, height, width] to z [B, T, D]."""

    def __init__(self, embeddings: nn.Module, blocks: nn.ModuleList) -> None:
        """Put the parts together."""
        super().__init__()
        self.embeddings, self.blocks = embeddings, blocks

    def forward(self, x: Tensor) -> Tensor:
        """Embed, then the blocks."""
        return _through(self.blocks, self.embeddings(x))


class VitHead(nn.Module):
    """Blocks, LayerNorm and a layer on the class token: z [B, T, D] to logits [B, C]."""

    def __init__(self, blocks: nn.ModuleList, norm: nn.LayerNorm, classifier: nn.Module) -> None:
        """Put the parts together."""
        super().__init__()
        self.blocks, self.norm, self.classifier = blocks, norm, classifier

    def forward(self, z: Tensor) -> Tensor:
        """The class token is the first."""
        logits: Tensor = self.classifier(self.norm(_through(self.blocks, z)[:, 0]))
        return logits


def _through(blocks: nn.ModuleList, z: Tensor) -> Tensor:
    for block in blocks:
        z = block(z)
    return z
