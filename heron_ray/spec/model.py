"""`model`: the split network, its cut layer and the auxiliary head."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section

Width = Annotated[int, Field(ge=1, le=1_000_000)]


class LinearAuxiliary(Section):
    """One fully connected layer from the smashed data to the classes: the paper's head."""

    kind: Literal["linear"] = Field(description="A single fully connected layer.")


class MlpAuxiliary(Section):
    """Hidden layers between the smashed data and the classes."""

    kind: Literal["mlp"] = Field(description="Fully connected hidden layers, then the classes.")
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=64)] = Field(
        description="Widths of the hidden layers, in units."
    )


AuxiliarySpec: TypeAlias = Annotated[LinearAuxiliary | MlpAuxiliary, Field(discriminator="kind")]


class MlpModel(Section):
    """A multi-layer perceptron: hidden layers of free width, cut wherever wanted; ReLU after each hidden layer."""

    kind: Literal["mlp"] = Field(description="A multi-layer perceptron on flattened inputs.")
    front: Annotated[tuple[Width, ...], Field(min_length=1, max_length=64)] = Field(
        description="Widths of the client's hidden layers, in units; the last is the cut layer."
    )
    back: Annotated[tuple[Width, ...], Field(max_length=64)] = Field(
        default=(), description="Widths of the main server's hidden layers, in units; the classes follow by themselves."
    )
    cut: int | None = Field(
        default=None,
        ge=1,
        description="Moves the cut: how many of the hidden layers front + back the client holds. null: all of front.",
    )
    auxiliary: AuxiliarySpec = Field(description="The client's auxiliary head.")

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of all hidden layers, client's first."""
        return self.front + self.back

    @property
    def client_layers(self) -> int:
        """How many hidden layers the client holds."""
        return len(self.front) if self.cut is None else self.cut


ModelSpec: TypeAlias = MlpModel
