"""Search spaces: which paths of a spec a sweep varies, and between what.

The types only. The named spaces and what is drawn from a space live in `tune_spaces`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from heron_ray.spec.section import Section

Search: TypeAlias = Literal["grid", "random"]
Scheduler: TypeAlias = Literal["none", "asha"]

_REASON = Field(default="", max_length=1000, description="Why these values and no others.")
_Values: TypeAlias = Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=1000)]


class ChoiceAxis(Section):
    """One of a few values, each as likely as the others; their order is kept on a page."""

    kind: Literal["choice"] = Field(description="One of a list of values.")
    values: _Values = Field(description="The values, in order.")
    reason: str = _REASON

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The values by which the axis is checked: all of them."""
        return self.values


class GridAxis(Section):
    """Every value in turn, also in a random search: the other axes are drawn anew for each."""

    kind: Literal["grid"] = Field(description="Every value of a list, whatever the search.")
    values: _Values = Field(description="The values, in order.")
    reason: str = _REASON

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The values by which the axis is checked: all of them."""
        return self.values


class UniformAxis(Section):
    """A number between two bounds."""

    kind: Literal["uniform"] = Field(description="A number, uniform between its bounds.")
    low: float = Field(description="Lower bound.")
    high: float = Field(description="Upper bound, above the lower one.")
    reason: str = _REASON

    @model_validator(mode="after")
    def _is_a_range(self) -> UniformAxis:
        _require_order(self.low, self.high)
        return self

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The bounds."""
        return (self.low, self.high)


class LogUniformAxis(Section):
    """A positive number whose logarithm is uniform: every decade is as likely as the next."""

    kind: Literal["loguniform"] = Field(description="A number, uniform in its logarithm between its bounds.")
    low: float = Field(gt=0, description="Lower bound, above 0.")
    high: float = Field(gt=0, description="Upper bound, above the lower one.")
    reason: str = _REASON

    @model_validator(mode="after")
    def _is_a_range(self) -> LogUniformAxis:
        _require_order(self.low, self.high)
        return self

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The bounds."""
        return (self.low, self.high)


class IntegerAxis(Section):
    """A whole number between two bounds, both included."""

    kind: Literal["integer"] = Field(description="A whole number between its bounds, both included.")
    low: int = Field(description="Lower bound.")
    high: int = Field(description="Upper bound, above the lower one.")
    log: bool = Field(default=False, description="true: uniform in its logarithm; the lower bound is then at least 1.")
    reason: str = _REASON

    @model_validator(mode="after")
    def _is_a_range(self) -> IntegerAxis:
        _require_order(self.low, self.high)
        if self.log and self.low < 1:
            raise ValueError(f"a logarithmic range begins at 1 or above, not at {self.low}")
        return self

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The bounds."""
        return (self.low, self.high)


Axis: TypeAlias = Annotated[
    ChoiceAxis | GridAxis | UniformAxis | LogUniformAxis | IntegerAxis,
    Field(discriminator="kind"),
]


class SearchSpace(Section):
    """What a sweep varies.

    Example:
        >>> SearchSpace(axes={"rounds": IntegerAxis(kind="integer", low=10, high=20)}).axes["rounds"].ends
        (10, 20)
    """

    name: str = Field(default="inline", min_length=1, max_length=64, description="The name of a named space, or inline.")
    description: str = Field(default="", max_length=1000, description="What varying it shows.")
    given: dict[str, JsonValue] = Field(
        default_factory=dict, max_length=64, description="Fields set in every trial before its axes, by dotted path."
    )
    axes: dict[str, Axis] = Field(min_length=1, max_length=64, description="What varies, by dotted path of the spec.")


class SweepSpec(Section):
    """A sweep but for the experiment it varies: the same one proposes the same trials."""

    space: SearchSpace = Field(description="What varies.")
    samples: int = Field(ge=1, le=10_000, description="Trials; fewer where the space has fewer distinct ones.")
    search: Search = Field(
        default="random", description="random: drawn from each axis. grid: evenly spread points of every axis, crossed."
    )
    scheduler: Scheduler = Field(
        default="none",
        description="none: every trial runs to its end. asha: trials that fall behind on validation accuracy are stopped.",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the random search.")


def _require_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"the lower bound {low} is not below the upper bound {high}")
