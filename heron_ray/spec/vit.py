"""`model.kind=vit`: a vision transformer cut after one of its blocks (Dosovitskiy et al., arXiv 2010.11929)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from heron_ray.spec.lora import LoraSpec
from heron_ray.spec.section import Section


class ClassTokenAuxiliary(Section):
    """Blocks with values of their own, then LayerNorm and one fully connected layer on the class token."""

    kind: Literal["class_token"] = Field(
        default="class_token",
        description="Blocks like the others, with initial values of their own, then LayerNorm and a single fully connected "
        "layer on the class token.",
    )
    blocks: int = Field(default=0, ge=0, le=100, description="How many blocks.")


class VitModel(Section):
    """A vision transformer as transformers builds it, cut after any block; dropout is off."""

    normalises_batches: ClassVar[bool] = False
    """Whether running statistics of batch normalisation are part of it."""

    kind: Literal["vit"] = Field(description="A vision transformer on images, with a class token.")
    patch: int = Field(default=4, ge=1, le=512, description="Side of the square patches that become tokens, in pixels.")
    width: int = Field(default=64, ge=1, le=8192, description="Numbers per token.")
    heads: int = Field(default=4, ge=1, le=256, description="Attention heads; they share the width evenly.")
    blocks: int = Field(default=6, ge=1, le=100, description="Blocks in all; each has hidden layers of 4 x width units.")
    cut: int = Field(default=1, ge=0, le=100, description="How many blocks the client holds after the embeddings.")
    auxiliary: ClassTokenAuxiliary = Field(default=ClassTokenAuxiliary(), description="The client's auxiliary head.")
    lora: LoraSpec | None = Field(
        default=None,
        description="Low-rank adapters in the place of trained weights, in front and back; the auxiliary head is trained in "
        "full. null: none.",
    )

    def fault(self, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The field that cannot be for samples of this shape, and why; None where all is well."""
        if len(input_shape) != 3:
            return "kind", f"vit needs images of shape (channels, height, width), not samples of shape {input_shape}"
        height, width = input_shape[1:]
        if height % self.patch or width % self.patch:
            return "patch", f"a {height}x{width} image cannot be cut into patches of {self.patch}x{self.patch}"
        if self.width % self.heads:
            return "heads", f"width={self.width} cannot be shared by {self.heads} heads: take a divisor of it"
        if self.cut > self.blocks:
            return "cut", f"{self.cut} lies beyond the last block: the model has {self.blocks}"
        return None
