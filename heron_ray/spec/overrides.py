"""Dotted-path changes to a spec that is still plain values: the command line's `--set`, a sweep's trial, a fork."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.fields import section_class


def apply_overrides(raw: Mapping[str, Any], overrides: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """A changed copy of `raw`, and a sentence for every field dropped because a new `kind` does not have it.

    Validation is left to `parse_spec`, once, after all overrides.

    Raises:
        SpecError: A path leads through something that is not a mapping.
    """
    result = copy.deepcopy(dict(raw))
    notes: list[str] = []
    for path, value in overrides:
        *parents, leaf = path.split(".")
        holder = result
        for depth, parent in enumerate(parents):
            if holder.get(parent) is None:
                holder[parent] = {}
            holder = holder[parent]
            if not isinstance(holder, dict):
                below = ".".join(parents[: depth + 1])
                raise SpecError([SpecIssue(path=path, message=f"{below} is not a mapping, so nothing lies below it")])
        if leaf == "kind" and holder.get("kind") != value:
            notes += _drop_foreign_fields(holder, ".".join(parents), value)
        holder[leaf] = value
    return result, notes


def _drop_foreign_fields(holder: dict[str, Any], path: str, kind: Any) -> list[str]:
    section = section_class(path, kind)
    if section is None:
        return []
    foreign = [name for name in holder if name not in section.model_fields]
    for name in foreign:
        del holder[name]
    return [f"{path}.kind={kind} has no {name!r}: dropped {path}.{name}" for name in foreign]
