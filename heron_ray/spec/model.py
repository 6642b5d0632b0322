"""`model`: the split network, its cut layer and the auxiliary head."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section

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


class MlpModel(Section):
    """A multi-layer perceptron: hidden layers of free width, cut wherever wanted; ReLU after each hidden layer."""

    kind: Literal["mlp"] = Field(description="A multi-layer perceptron on flattened inputs.")
    front: SomeWidths = Field(description="Widths of the client's hidden layers, in units; the last is the cut layer.")
    back: Widths = Field(
        default=(), description="Widths of the main server's hidden layers, in units; the classes follow by themselves."
    )
    cut: int | None = _CUT
    auxiliary: AuxiliarySpec = _AUXILIARY

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

    kind: Literal["cnn"] = Field(description="A convolutional network on images; each stage halves height and width.")
    front: SomeWidths = Field(description="Channels of the client's stages; the last stage's output is the smashed data.")
    back: Widths = Field(default=(), description="Channels of the main server's stages.")
    head: Widths = Field(
        default=(),
        description="Widths of the main server's fully connected hidden layers after its stages, in units; the classes follow.",
    )
    cut: int | None = _CUT
    auxiliary: AuxiliarySpec = _AUXILIARY

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


ModelSpec: TypeAlias = Annotated[MlpModel | CnnModel, Field(discriminator="kind")]
