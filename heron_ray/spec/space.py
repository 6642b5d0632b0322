"""Search spaces: which paths of a spec a sweep varies, and between what.

The types only. The named spaces and what is drawn from a space live in `tune_spaces`; how it is searched, in `sweep`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from heron_ray.spec.section import Section

_REASON = Field(default="", max_length=1000, description="Why these values and no others.")
_WHEN: Any = Field(
    default_factory=dict,
    max_length=16,
    description="The axis is there only where each of these fields, given or of an axis before it, has one of its values.",
)
When: TypeAlias = dict[str, Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=100)]]
_Values: TypeAlias = Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=1000)]


class ChoiceAxis(Section):
    """One of a few values, each as likely as the others; their order is kept on a page."""

    kind: Literal["choice"] = Field(description="One of a list of values.")
    values: _Values = Field(description="The values, in order.")
    when: When = _WHEN
    reason: str = _REASON

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The values by which the axis is checked: all of them."""
        return self.values


class GridAxis(Section):
    """Every value in turn, also in a random search: the other axes are drawn anew for each."""

    kind: Literal["grid"] = Field(description="Every value of a list, whatever the search.")
    values: _Values = Field(description="The values, in order.")
    when: When = _WHEN
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
    when: When = _WHEN
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
    when: When = _WHEN
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
    when: When = _WHEN
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

    @model_validator(mode="after")
    def _conditions_can_hold(self) -> SearchSpace:
        before: dict[str, Axis] = {}
        for path, axis in self.axes.items():
            if path in self.given:
                raise ValueError(f"{path} is both given and varied")
            for parent, values in axis.when.items():
                _require_reachable(path, parent, values, before, self.given)
            before[path] = axis
        return self

    def present(self, drawn: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Of a value for every axis, those of the axes that are there.

        >>> kinds = ChoiceAxis(kind="choice", values=("sgd", "adam"))
        >>> momentum = ChoiceAxis(kind="choice", values=(0.0, 0.9), when={"kind": ("sgd",)})
        >>> SearchSpace(axes={"kind": kinds, "momentum": momentum}).present({"kind": "adam", "momentum": 0.9})
        {'kind': 'adam'}
        """
        found: dict[str, JsonValue] = {}
        for path in self.axes:
            if self.is_present(path, found):
                found[path] = drawn[path]
        return found

    def is_present(self, path: str, before: Mapping[str, JsonValue]) -> bool:
        """Whether an axis is there beside these values of the axes before it."""
        known = {**self.given, **before}
        return all(parent in known and _among(known[parent], values) for parent, values in self.axes[path].when.items())


def _require_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"the lower bound {low} is not below the upper bound {high}")


def _require_reachable(
    path: str, parent: str, values: tuple[JsonValue, ...], before: Mapping[str, Axis], given: Mapping[str, JsonValue]
) -> None:
    """Raise ValueError where a condition could never hold, or hangs on what is not decided before."""
    axis = before.get(parent)
    if parent not in given and axis is None:
        raise ValueError(f"{path} hangs on {parent}, which is neither given nor an axis before it")
    for value in values:
        can_be = _among(given[parent], (value,)) if axis is None else _can_take(axis, value)
        if not can_be:
            raise ValueError(f"{path} hangs on {parent}={value!r}, which it never is")


def _can_take(axis: Axis, value: JsonValue) -> bool:
    if isinstance(axis, ChoiceAxis | GridAxis):
        return _among(value, axis.values)
    return isinstance(value, int | float) and not isinstance(value, bool) and axis.low <= value <= axis.high


def _among(value: JsonValue, values: tuple[JsonValue, ...]) -> bool:
    """Whether a JSON value is one of several; true is not 1."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in values)
