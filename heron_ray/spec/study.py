"""A study: one experiment, the axes along which it is varied, and the figures that come of it. `heron study run` runs one.

The types only. Which experiments a study comes to, and their running, lie in `heron_ray.studies`.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from heron_ray.spec.section import Section, contradiction

SEED = "seed"
"""The axis that every study has; figures take means over it."""

MOST_CELLS = 20_000

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Path = Annotated[str, Field(min_length=1, max_length=200)]


class PathAxis(Section):
    """One field, value after value."""

    kind: Literal["path"] = Field(description="One field of the spec takes one value after another.")
    path: Path = Field(description="Dotted path of the field; with ? at its end it is set only where a cell's spec has it.")
    values: Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=1000)] = Field(description="The values, in order.")

    def settings(self) -> dict[str, dict[str, JsonValue]]:
        """What each value sets, by its label."""
        return {label_of(value): {self.path: value} for value in self.values}


class CasesAxis(Section):
    """Named cases, each setting any fields or whole sections."""

    kind: Literal["cases"] = Field(description="Named cases, each of which sets fields or whole sections.")
    cases: Annotated[dict[Label, dict[Path, JsonValue]], Field(min_length=1, max_length=1000)] = Field(
        description="Label to what it sets, by dotted path; a path with ? at its end is set only where a cell's spec has it."
    )

    def settings(self) -> dict[str, dict[str, JsonValue]]:
        """What each case sets, by its label."""
        return dict(self.cases)


AxisSpec: TypeAlias = Annotated[PathAxis | CasesAxis, Field(discriminator="kind")]


class _Figure(Section):
    """What all figures have in common."""

    split: Literal["test", "validation"] = Field(default="test", description="Which samples the accuracies were measured on.")


class WorstCaseFigure(_Figure):
    """Heat maps of the accuracy that is left under the worst case of one axis, for main server and auxiliary head."""

    kind: Literal["worst_case"] = Field(description="Heat maps of the lowest mean accuracy over one axis, such as the attacks.")
    over: Name = Field(description="The axis whose worst case counts.")
    rows: Name = Field(description="The axis of the rows.")
    columns: Name = Field(description="The axis of the columns. Further axes, the seed's aside, make a map per combination.")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes it names."""
        return (self.over, self.rows, self.columns)


class BandsFigure(_Figure):
    """Lines of the mean accuracy with a band from the lowest seed to the highest, for main server and auxiliary head."""

    kind: Literal["bands"] = Field(description="Mean accuracy against one axis, with the range over seeds.")
    x: Name = Field(description="The axis along which lines run.")
    lines: Name = Field(description="The axis with a line for each label. Further axes make a panel per combination.")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes it names."""
        return (self.x, self.lines)


class CurvesFigure(_Figure):
    """Lines of the mean accuracy over the rounds with a band from the lowest seed to the highest."""

    kind: Literal["curves"] = Field(description="Mean accuracy at every evaluation of a run, with the range over seeds.")
    lines: Name = Field(description="The axis with a line for each label. Further axes make a panel per combination.")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes it names."""
        return (self.lines,)


FigureSpec: TypeAlias = Annotated[WorstCaseFigure | BandsFigure | CurvesFigure, Field(discriminator="kind")]


class StudySpec(Section):
    """A grid of experiments that ends in figures."""

    name: str = Field(
        default="study", min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", description="A name for people."
    )
    base: dict[str, JsonValue] = Field(
        description="The experiment that is varied: its spec, or in a file the path of one, from the study file's folder on."
    )
    given: dict[Path, JsonValue] = Field(
        default_factory=dict, max_length=64, description="Fields set in every cell before its axes, by dotted path."
    )
    axes: dict[Name, AxisSpec] = Field(
        min_length=1, max_length=16, description="What varies, crossed; a later axis is applied after an earlier one."
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1, max_length=1000)] = Field(
        default=(0,), description="Seeds of every cell: the last axis, named seed."
    )
    impossible: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="What becomes of cells whose spec is not valid. refuse: all are named and nothing runs. skip: they are "
        "left out and shown as impossible, with the reason.",
    )
    figures: Annotated[tuple[FigureSpec, ...], Field(min_length=1, max_length=32)] = Field(
        description="What is drawn in the end."
    )

    def settings(self) -> dict[str, dict[str, dict[str, JsonValue]]]:
        """Axis to label to what it sets; the seeds last."""
        seeds: dict[str, dict[str, JsonValue]] = {str(seed): {"seed": seed} for seed in self.seeds}
        return {**{name: axis.settings() for name, axis in self.axes.items()}, SEED: seeds}

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> StudySpec:
        for name, axis in self.axes.items():
            if name == SEED:
                raise contradiction("axes.seed", "seeds have a field of their own: seeds")
            if isinstance(axis, PathAxis) and len(axis.settings()) < len(axis.values):
                raise contradiction(f"axes.{name}.values", "a value occurs twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise contradiction("seeds", "a seed occurs twice")
        for number, figure in enumerate(self.figures):
            if len(set(figure.axes)) < len(figure.axes):
                raise contradiction(f"figures.{number}", f"{', '.join(figure.axes)} must be different axes")
            for name in figure.axes:
                if name not in self.axes:
                    raise contradiction(f"figures.{number}", f"there is no axis {name!r}; there are: {', '.join(self.axes)}")
        if (cells := math.prod(len(labels) for labels in self.settings().values())) > MOST_CELLS:
            raise contradiction("axes", f"{cells:,} cells are more than the {MOST_CELLS:,} a study may have")
        return self


def label_of(value: JsonValue) -> str:
    """What a value is called: text as it is, everything else as JSON.

    >>> label_of("krum"), label_of(0.1), label_of(None)
    ('krum', '0.1', 'null')
    """
    return value if isinstance(value, str) else json.dumps(value)
