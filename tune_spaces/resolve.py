"""From what a request names or spells out to a `SearchSpace`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.space import SearchSpace, SweepSpec
from tune_spaces.spaces import SPACES

KINDS = ("choice", "grid", "uniform", "loguniform", "integer")


def resolve_space(wanted: object) -> SearchSpace:
    """The named space, or the one spelled out as `{path: {kind: ..., ...}}` in plain values.

    >>> resolve_space({"rounds": {"kind": "integer", "low": 1, "high": 5}}).name
    'inline'

    Raises:
        SpecError: No space has that name, or an axis is not valid.
    """
    if isinstance(wanted, str):
        return _named(wanted)
    if not isinstance(wanted, Mapping):
        message = "give the name of a space, or a mapping of dotted paths to axes"
        raise SpecError([SpecIssue(path="space", message=message)])
    try:
        return SearchSpace.model_validate_json(json.dumps({"axes": wanted}))
    except (TypeError, ValueError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        issues = [SpecIssue(path=_path(fault["loc"]), message=_message(fault)) for fault in faults]
        raise SpecError(issues or [SpecIssue(path="space", message=f"not plain JSON values: {error}")]) from None


def sweep_of(plain: Mapping[str, Any]) -> SweepSpec:
    """A sweep from the plain values of its canonical form."""
    # By way of JSON: a strict section takes a list for a tuple only from there.
    return SweepSpec.model_validate_json(json.dumps(plain))


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
    steps = [str(step) for step in location[1:]]
    return ".".join(["space", *(step for index, step in enumerate(steps) if index != 1 or step not in KINDS)])
