"""The catalogue: every part an experiment can be made of, with its description and its JSON Schema.

It is read from the spec's own unions and from the named search spaces, so a part that is added to the schema appears by
itself. Light: it imports the spec and `tune_spaces`, never torch or Ray. The command line and the API may import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from heron_ray.spec.fields import kind_of, sections_at
from heron_ray.spec.section import Section
from heron_ray.spec.space import Axis, ChoiceAxis, GridAxis, IntegerAxis, SearchSpace
from tune_spaces import SPACES

PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "methods": "method",
        "models": "model",
        "data_sets": "data",
        "partitioners": "partition",
        "rules": "aggregation",
        "pre_aggregators": "aggregation.before",
        "attacks": "attack",
        "defences": "smashed_defence",
    }
)
"""Which spec path the parts of a shelf stand at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing to choose.

    Attributes:
        kind: What to write as `kind`; for a space, its name.
        description: One sentence.
        json_schema: JSON Schema of the section, complete in itself; for a space, of the fields that a trial sets.
    """

    kind: str
    description: str
    json_schema: Mapping[str, Any]


Catalogue: TypeAlias = Mapping[str, tuple[Part, ...]]


def catalogue() -> Catalogue:
    """Every part, by shelf, in the order of the schema.

    >>> [part.kind for part in catalogue()["partitioners"]][:2]
    ['iid', 'dirichlet']
    """
    shelves = {shelf: tuple(map(_part, sections_at(path))) for shelf, path in PATHS.items()}
    return {**shelves, "spaces": tuple(map(_space, SPACES.values()))}


def _part(section: type[Section]) -> Part:
    kind = kind_of(section)
    assert kind is not None, f"{section.__name__} stands among alternatives and has no kind"  # noqa: S101 - a fault of ours
    description = (section.__doc__ or "").strip().partition("\n")[0]
    return Part(kind=kind, description=description, json_schema=section.model_json_schema())


def _space(space: SearchSpace) -> Part:
    fields = {
        **{path: {"const": value} for path, value in space.given.items()},
        **{path: _axis_schema(axis) for path, axis in space.axes.items()},
    }
    always = [*space.given, *(path for path, axis in space.axes.items() if not axis.when)]
    schema: dict[str, Any] = {"type": "object", "properties": fields, "required": always, "additionalProperties": False}
    if conditions := [_condition(path, axis) for path, axis in space.axes.items() if axis.when]:
        schema["allOf"] = conditions
    return Part(kind=space.name, description=space.description, json_schema=schema)


def _condition(path: str, axis: Axis) -> dict[str, Any]:
    """The axis is there where its condition holds, and nowhere else."""
    holds = {parent: {"enum": list(values)} for parent, values in axis.when.items()}
    there = {"required": [path]}
    return {"if": {"properties": holds, "required": list(holds)}, "then": there, "else": {"not": there}}


def _axis_schema(axis: Axis) -> dict[str, Any]:
    described = {"description": axis.reason}
    if isinstance(axis, (ChoiceAxis, GridAxis)):
        return {**described, "enum": list(axis.values)}
    number = "integer" if isinstance(axis, IntegerAxis) else "number"
    return {**described, "type": number, "minimum": axis.low, "maximum": axis.high}
