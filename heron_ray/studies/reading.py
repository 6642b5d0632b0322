"""From a study's file to a valid `StudySpec`, or to a `SpecError` that names every fault by dotted path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec import parse_override, read_spec_file
from heron_ray.spec.paths import require_known_paths
from heron_ray.spec.study import StudySpec


def read_study(path: Path, overrides: Sequence[str] = ()) -> StudySpec:
    """Read a study file; `path=value` overrides are put after what it gives to every cell.

    Raises:
        SpecError: The file, its base or an override is not valid.
    """
    raw = read_spec_file(path)
    if isinstance(raw.get("base"), str):
        raw["base"] = read_spec_file(path.parent / raw["base"])
    if overrides:
        raw["given"] = {**(raw.get("given") or {}), **dict(parse_override(text) for text in overrides)}
    return parse_study(raw)


def parse_study(raw: Mapping[str, Any]) -> StudySpec:
    """Validate plain values as a study. The experiments it comes to are validated by `expand`.

    Raises:
        SpecError: With one issue per fault.
    """
    try:
        study = StudySpec.model_validate_json(json.dumps(raw))
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise SpecError([SpecIssue(path="", message=f"not plain JSON values: {error}")]) from None
        raise SpecError([_issue(dict(fault)) for fault in error.errors()[:50]]) from None
    require_known_paths(dict.fromkeys(map(plain_path, study.given)), prefix="given: ")
    for name, labels in study.settings().items():
        paths = dict.fromkeys(plain_path(path) for settings in labels.values() for path in settings)
        require_known_paths(paths, prefix=f"axes.{name}: ")
    return study


def plain_path(path: str) -> str:
    """A path as the schema knows it: without the places in lists and without the question mark.

    >>> plain_path("aggregation.before.0.f?")
    'aggregation.before.f'
    """
    return ".".join(step for step in path.removesuffix("?").split(".") if not step.isdigit())


def _issue(fault: Mapping[str, Any]) -> SpecIssue:
    if fault["type"] == "contradiction":
        return SpecIssue(path=fault["ctx"]["path"], message=fault["ctx"]["message"])
    steps = [str(step) for step in fault["loc"]]
    message = "no study has this field" if fault["type"] == "extra_forbidden" else fault["msg"]
    return SpecIssue(path=".".join(steps), message=message)
