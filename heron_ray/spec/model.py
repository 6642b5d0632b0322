"""`model`: the split network, its cut layer and the auxiliary head."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.gpt2 import Gpt2Model
from heron_ray.spec.lora import LoraSpec
from heron_ray.spec.plugins import PluginModel
from heron_ray.spec.section import Section
from heron_ray.spec.vit import VitModel

Width = Annotated[int, Field(ge=1, le=1_000_000)]
Widths = Annotated[tuple[Width, ...], Field(max_length=64)]
SomeWidths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=64)]


class LinearAuxiliary(Section):
    """One fully connected layer from the smashed data to the classes: the paper's head."""

    kind: Literal["linear"] = Field(description="A single fully connected layer.")


class MlpAuxiliary(Section):
    """Hidden layers between the smashed data and the classes."""

    kind: Literal["mlp"] = Field(description="Fully connected hidden layers, then the classes.")
    widths: SomeWidths = Field(description="Widths of the hidden layers, in units.")


class SizedAuxiliary(Section):
    """Heads in order of size, for sweeps: with more size come strictly more parameters, at any cut and number of classes."""

    kind: Literal["sized"] = Field(description="A head picked by its size, one axis from small to large.")
    size: int = Field(
        ge=0,
        le=12,
        description="0: a single fully connected layer. n: one hidden layer of classes x 2^(n-1) units before it.",
    )


AuxiliarySpec: TypeAlias = Annotated[LinearAuxiliary | MlpAuxiliary | SizedAuxiliary, Field(discriminator="kind")]

_CUT = Field(
    default=None,
    ge=1,
    description="Moves the cut: how many of the layers front + back the client holds. null: all of front.",
)
_AUXILIARY = Field(description="The client's auxiliary head.")
_LORA = Field(
    default=None,
    description="Low-rank adapters in the place of trained weights, in front and back; the auxiliary head is trained in full. "
    "null: none.",
)


class MlpModel(Section):
    """A multi-layer perceptron: hidden layers of free width, cut wherever wanted; ReLU after each hidden layer."""

    normalises_batches: ClassVar[bool] = False
    """Whether running statistics of batch normalisation are part of it."""

    kind: Literal["mlp"] = Field(description="A multi-layer perceptron on flattened inputs.")
    front: SomeWidths = Field(description="Widths of the client's hidden layers, in units; the last is the cut layer.")
    back: Widths = Field(
        default=(), description="Widths of the main server's hidden layers, in units; the classes follow by themselves."
    )
    cut: int | None = _CUT
    auxiliary: AuxiliarySpec = _AUXILIARY
    lora: LoraSpec | None = _LORA

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of all hidden layers, client's first."""
        return self.front + self.back

    @property
    def client_layers(self) -> int:
        """How many hidden layers the client holds."""
        return len(self.front) if self.cut is None else self.cut

    def fault(self, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The field that cannot be for samples of this shape, and why; None where all is well."""
        del input_shape  # any shape can be flattened
        if self.client_layers > len(self.hidden):
            return "cut", f"{self.cut} lies beyond the last layer: front + back have {len(self.hidden)} hidden layers"
        return None


class CnnModel(Section):
    """A convolutional network: stages of a 3x3 convolution, 2x2 max-pooling and ReLU, cut after any stage."""

    normalises_batches: ClassVar[bool] = False
    """Whether running statistics of batch normalisation are part of it."""

    kind: Literal["cnn"] = Field(description="A convolutional network on images; each stage halves height and width.")
    front: SomeWidths = Field(description="Channels of the client's stages; the last stage's output is the smashed data.")
    back: Widths = Field(default=(), description="Channels of the main server's stages.")
    head: Widths = Field(
        default=(),
        description="Widths of the main server's fully connected hidden layers after its stages, in units; the classes follow.",
    )
    cut: int | None = _CUT
    auxiliary: AuxiliarySpec = _AUXILIARY
    lora: LoraSpec | None = _LORA

    @property
    def stages(self) -> tuple[int, ...]:
        """Channels of all stages, client's first."""
        return self.front + self.back

    @property
    def client_stages(self) -> int:
        """How many stages the client holds."""
        return len(self.front) if self.cut is None else self.cut

    def fault(self, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The field that cannot be for samples of this shape, and why; None where all is well."""
        if len(input_shape) != 3:
            return "kind", f"cnn needs images of shape (channels, height, width), not samples of shape {input_shape}"
        if self.client_stages > len(self.stages):
            return "cut", f"{self.cut} lies beyond the last stage: front + back have {len(self.stages)} stages"
        most = min(input_shape[1:]).bit_length() - 1
        if len(self.stages) > most:
            height, width = input_shape[1:]
            return (
                "front",
                f"{len(self.stages)} stages (front + back) halve a {height}x{width} image to nothing: at most {most}",
            )
        return None


class FlatLinearAuxiliary(Section):
    """All of the smashed data, flattened, to the classes."""

    kind: Literal["flat_linear"] = Field(description="A single fully connected layer on the flattened smashed data.")


class PooledLinearAuxiliary(Section):
    """The smashed data's mean over height and width to the classes."""

    kind: Literal["pooled_linear"] = Field(
        description="The mean over height and width, then a single fully connected layer: few parameters at any cut."
    )


class BlocksAuxiliary(Section):
    """The network goes on for some blocks, with values of their own."""

    kind: Literal["blocks"] = Field(
        description="Blocks like those after the cut, with initial values of their own, then the mean over height and width "
        "and a single fully connected layer."
    )
    blocks: int = Field(ge=1, description="How many blocks; at most as many as come after the cut.")


class Resnet18Model(Section):
    """ResNet-18, whole or slim: a stem, eight residual blocks and a fully connected layer, cut after any block."""

    normalises_batches: ClassVar[bool] = True
    """Whether running statistics of batch normalisation are part of it."""

    kind: Literal["resnet18"] = Field(description="ResNet-18 on images: four stages of two residual blocks.")
    stem: Literal["cifar", "imagenet"] = Field(
        default="cifar",
        description="cifar: a 3x3 convolution at full size, for small images. imagenet: a 7x7 convolution of stride 2 and "
        "max-pooling, which leave a quarter of height and width.",
    )
    width: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="Channels of the first stage; the others have 2, 4 and 8 times as many. 64: ResNet-18 itself.",
    )
    cut: int = Field(
        default=1, ge=0, le=8, description="How many of the eight blocks the client holds after the stem; 0: only the stem."
    )
    auxiliary: Annotated[FlatLinearAuxiliary | PooledLinearAuxiliary | BlocksAuxiliary, Field(discriminator="kind")] = (
        _AUXILIARY
    )
    lora: LoraSpec | None = _LORA

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels after the stem and after each of the eight blocks."""
        return (self.width, *(self.width << block // 2 for block in range(8)))

    def cut_size(self, input_shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of the smashed data, in pixels; every halving rounds up."""
        halvings = self._stem_halvings + max(self.cut - 1, 0) // 2
        height, width = (-(-side >> halvings) for side in input_shape[1:])
        return height, width

    def fault(self, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The field that cannot be for samples of this shape, and why; None where all is well."""
        if len(input_shape) != 3:
            return "kind", f"resnet18 needs images of shape (channels, height, width), not samples of shape {input_shape}"
        halvings = self._stem_halvings + 3
        least = 2 ** (halvings - 1) + 1
        if min(input_shape[1:]) < least:
            height, width = input_shape[1:]
            return (
                "stem",
                f"{self.stem} and the stages after it halve height and width {halvings} times, which a {height}x{width} image "
                f"does not bear: at least {least}x{least}" + (", or stem: cifar" if self.stem == "imagenet" else ""),
            )
        after = 8 - self.cut
        if isinstance(self.auxiliary, BlocksAuxiliary) and self.auxiliary.blocks > after:
            way_out = f"at most {after}, or a smaller cut" if after else "take a smaller cut or kind: pooled_linear"
            return (
                "auxiliary.blocks",
                f"{self.auxiliary.blocks} are more than the {after} that come after cut {self.cut}: {way_out}",
            )
        return None

    @property
    def _stem_halvings(self) -> int:
        return 2 if self.stem == "imagenet" else 0


ModelSpec: TypeAlias = Annotated[
    MlpModel | CnnModel | Resnet18Model | VitModel | Gpt2Model | PluginModel, Field(discriminator="kind")
]
