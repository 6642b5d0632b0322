"""From what a request names or spells out to a `SearchSpace`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.space import SearchSpace
from heron_ray.spec.sweep import SweepSpec
from tune_spaces.spaces import SPACES

KINDS = ("choice", "grid", "uniform", "loguniform", "integer")


def resolve_space(wanted: object) -> SearchSpace:
    """The named space, or the one spelled out in plain values: as a `SearchSpace` with its `axes`, or as its axes alone.

    >>> resolve_space({"rounds": {"kind": "integer", "low": 1, "high": 5}}).name
    'inline'
    >>> axes = {"partition.alpha": {"kind": "uniform", "low": 0.1, "high": 1}}
    >>> resolve_space({"axes": axes, "given": {"partition.kind": "dirichlet"}}).given
    {'partition.kind': 'dirichlet'}

    Raises:
        SpecError: No space has that name, or an axis is not valid.
    """
    if isinstance(wanted, str):
        return _named(wanted)
    if not isinstance(wanted, Mapping):
        message = "give the name of a space, or a mapping of dotted paths to axes"
        raise SpecError([SpecIssue(path="space", message=message)])
    try:
        whole = wanted if "axes" in wanted else {"axes": wanted}
        return SearchSpace.model_validate_json(json.dumps(whole))
    except (TypeError, ValueError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        issues = [SpecIssue(path=_path(fault["loc"]), message=_message(fault)) for fault in faults]
        raise SpecError(issues or [SpecIssue(path="space", message=f"not plain JSON values: {error}")]) from None


def sweep_of(plain: Mapping[str, Any]) -> SweepSpec:
    """A sweep from the plain values of its canonical form."""
    # By way of JSON: a strict section takes a list for a tuple only from there.
    return SweepSpec.model_validate_json(json.dumps(plain))


def plan_sweep(space: object, plan: Mapping[str, Any]) -> SweepSpec:
    """A sweep from what a request says: its space by name or spelled out, and the other fields in plain values.

    Raises:
        SpecError: No space has that name, or a field is not valid.
    """
    resolved = resolve_space(space).model_dump(mode="json")
    try:
        return sweep_of({**plan, "space": resolved})
    except ValidationError as error:
        raise SpecError([_issue(fault) for fault in error.errors()]) from None


def _issue(fault: ErrorDetails) -> SpecIssue:
    return SpecIssue(path=".".join(str(step) for step in fault["loc"]) or "sweep", message=_message(fault))


def _named(name: str) -> SearchSpace:
    if name not in SPACES:
        near = difflib.get_close_matches(name, SPACES, n=1, cutoff=0.5)
        message = f"no space is named {name!r}; there are: {', '.join(SPACES)}"
        raise SpecError([SpecIssue(path="space", message=message, suggestion=near[0] if near else None)])
    return SPACES[name]


def _message(fault: ErrorDetails) -> str:
    return str(fault["ctx"]["error"]) if fault["type"] == "value_error" else fault["msg"]


def _path(location: tuple[int | str, ...]) -> str:
    """`space`, the dotted path of the axis and its field, without the tag that pydantic puts between them."""
    steps = [str(step) for step in (location[1:] if location[:1] == ("axes",) else location)]
    return ".".join(["space", *(step for index, step in enumerate(steps) if index != 1 or step not in KINDS)])
